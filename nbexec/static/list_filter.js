/**
 * Draws the filter of the list: words, days, states, and the notebook if it is about one. What is chosen is a query, as in
 * the address.
 */
define(['jquery', 'base/js/i18n', './execution_model', './parts'], function ($, i18n, executionModel, parts) {
    "use strict";

    var STATES = [
        {name: '', label: i18n.msg._("All")},
        {name: 'waiting', label: i18n.msg._("Waiting")},
        {name: 'running', label: i18n.msg._("Running")},
        {name: 'completed', label: i18n.msg._("Completed")},
        {name: 'failed', label: i18n.msg._("Failed")},
        {name: 'stopped', label: i18n.msg._("Stopped")}
    ];

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {function()} onChange - called when something else is chosen
     */
    var ListFilter = function (element, onChange) {
        var that = this;
        this._onChange = onChange;
        this._state = '';
        this._notebook = '';
        this.search = $('<input>').attr({type: 'search', id: 'nbexec_search', 'class': 'form-control input-sm',
                                         placeholder: i18n.msg._("Filter by name, folder, parameter or error")});
        this._since = dayField(i18n.msg._("From this day"));
        this._until = dayField(i18n.msg._("To this day"));
        this._states = $('<div>').addClass('btn-group').attr({role: 'group',
                                                               'aria-label': i18n.msg._("Show executions by state")});
        STATES.forEach(function (state) {
            $('<button>').attr({type: 'button', 'aria-pressed': state.name === ''}).data('state', state.name)
                .addClass('btn btn-default btn-xs').append($('<span>').text(state.label), ' ',
                                                           $('<span>').addClass('nbexec-count')).appendTo(that._states);
        });
        this._only = $('<span>');
        this._chip = $('<span>').addClass('nbexec-chip').hide().append(
            this._only, ' ', parts.button('btn-default btn-xs', i18n.msg._("All notebooks"), function () {
                that._setNotebook('');
                that.search.focus();
                onChange();
            }));
        element.append(
            $('<label>').addClass('sr-only').attr('for', 'nbexec_search').text(i18n.msg._("Filter executions")),
            this.search, $('<span>').addClass('nbexec-days').append(this._since, ' – ', this._until), this._states,
            this._chip);
        this.search.add(this._since).add(this._until).on('input', onChange);
        this._states.on('click', 'button', function () {
            that._setState($(this).data('state'));
            onChange();
        });
    };

    /** What is chosen, without the order. */
    ListFilter.prototype.query = function () {
        return {text: this.search.val().trim(), state: this._state, notebook: this._notebook, since: this._since.val(),
                until: this._until.val()};
    };

    ListFilter.prototype.set = function (query) {
        this.search.val(query.text || '');
        this._since.val(query.since || '');
        this._until.val(query.until || '');
        this._setState(query.state || '');
        this._setNotebook(query.notebook || '');
    };

    ListFilter.prototype.isSet = function () {
        var query = this.query();
        return Object.keys(query).some(function (name) { return query[name]; });
    };

    ListFilter.prototype._setState = function (name) {
        this._state = STATES.some(function (state) { return state.name === name; }) ? name : '';
        this._states.children().each(function () {
            $(this).attr('aria-pressed', String($(this).data('state') === name));
        });
    };

    ListFilter.prototype._setNotebook = function (path) {
        this._notebook = path;
        this._only.text(path ? i18n.msg.sprintf(i18n.msg._("Only %s"), path) : '');
        this._chip.toggle(Boolean(path));
    };

    /** Show how many there are of each state. */
    ListFilter.prototype.setCounts = function (counts, all) {
        this._states.children().each(function () {
            var name = $(this).data('state');
            parts.setText($(this).find('.nbexec-count'), String(name ? counts[name] || 0 : all));
        });
    };

    /** The name of the state of a model in a query, which is the API's. */
    var stateOf = function (model) {
        var state = executionModel.stateOf(model);
        return state === 'starting' ? 'waiting' : state;
    };

    var dayField = function (label) {
        return $('<input>').attr({type: 'date', 'aria-label': label, title: label}).addClass('form-control input-sm');
    };

    return {ListFilter: ListFilter, stateOf: stateOf};
});
