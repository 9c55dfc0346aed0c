/**
 * Which executions of the list are ticked, and what can be done with all of them.
 */
define(['jquery', 'base/js/i18n', './execution_model', './list_query', './parts'
], function ($, i18n, executionModel, listQuery, parts) {
    "use strict";

    /**
     * @constructor
     * @param {jQuery} element - where the buttons are drawn
     * @param {Object} options
     * @param {Actions} options.actions
     * @param {function(string)} options.onAddress - called with the address of a comparison
     * @param {function()} options.onChange - called when other executions are ticked
     */
    var ListSelection = function (element, options) {
        var that = this, actions = options.actions;
        this._ids = {};
        this._models = [];
        this._drawn = null;  // how many were said to be ticked
        this._onChange = options.onChange;
        this._count = $('<strong>').attr('aria-live', 'polite');
        var button = function (label, act) {
            return parts.button('btn-default btn-xs', label, function () { act(that._models, this); });
        };
        this._stop = button(i18n.msg._("Stop"), function (models, button) { actions.stopAll(models, button); });
        this._compare = button(i18n.msg._("Compare"), function (models) {
            options.onAddress(listQuery.comparisonOf(models[1].exec_id, models[0].exec_id));
        });
        this._hint = $('<span>').addClass('nbexec-note').text(i18n.msg._("Select two executions to compare them."));
        this._element = $('<div>').addClass('nbexec-toolbar nbexec-selection').hide().append(
            this._count, this._stop,
            button(i18n.msg._("Run again"), function (models, button) { actions.againAll(models, button); }), this._compare,
            button(i18n.msg._("Delete…"), function (models, button) { actions.removeAll(models, button); }),
            button(i18n.msg._("Select none"), function () { that.setAll([], false); }), this._hint).appendTo(element);
    };

    ListSelection.prototype.has = function (id) {
        return Boolean(this._ids[id]);
    };

    ListSelection.prototype.set = function (id, isTicked) {
        if (isTicked) {
            this._ids[id] = true;
        } else {
            delete this._ids[id];
        }
        this._onChange();
    };

    /** Tick these, and no others, or none. */
    ListSelection.prototype.setAll = function (models, isTicked) {
        this._ids = {};
        if (isTicked) {
            models.forEach(function (model) { this._ids[model.exec_id] = true; }, this);
        }
        this._onChange();
    };

    /** Put the focus on "Compare"; returns whether it is there. */
    ListSelection.prototype.focus = function () {
        this._compare.focus();
        return this._compare.is(document.activeElement);
    };

    /**
     * What is done with the ticked ones is done with those only that are in the list, of which these are all. Without any,
     * `next` has the focus that one of the buttons had.
     */
    ListSelection.prototype.draw = function (shown, next) {
        var models = this._models = shown.filter(function (model) { return this._ids[model.exec_id]; }, this);
        if (!models.length && this._drawn === 0) {
            return 0;
        }
        this._drawn = models.length;
        if (!models.length && $.contains(this._element[0], document.activeElement)) {
            next.focus();
        }
        this._element.toggle(models.length > 0);
        this._hint.toggle(models.length !== 2);
        this._count.text(models.length ? i18n.msg.sprintf(i18n.msg.ngettext("%d selected", "%d selected", models.length),
                                                          models.length) : '');
        this._stop.prop('disabled', models.every(executionModel.isFinal));
        this._compare.prop('disabled', models.length !== 2);
        return models.length;
    };

    return {ListSelection: ListSelection};
});
