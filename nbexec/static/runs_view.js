/**
 * Draws how long the latest executions of a notebook took, as bars that lead to them, and the way to compare them.
 */
define(['jquery', 'base/js/i18n', './texts', './execution_model', './list_query'
], function ($, i18n, texts, executionModel, listQuery) {
    "use strict";

    var MOST = 40;  // bars

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {Object} options
     * @param {ExecutionList} options.list
     */
    var RunsView = function (element, options) {
        this._list = options.list;
        this._bars = $('<div>').addClass('nbexec-runs').attr({role: 'list', 'aria-label': i18n.msg._("Durations")});
        this._links = $('<p>');
        this._drawn = null;
        this._element = $('<section>').hide().append(
            $('<h4>').text(i18n.msg._("Executions of this notebook")), this._bars, this._links).appendTo(element);
    };

    /** Draw the executions of the notebook of this one, the newest at the end. */
    RunsView.prototype.draw = function (model) {
        var runs = this._list.all().filter(function (other) { return other.path === model.path; });
        var latest = runs.slice(0, MOST).reverse(), list = this._list;
        var durations = latest.map(function (run) { return list.durationOf(run) || 0; });
        var drawn = JSON.stringify([model.exec_id, runs.length, latest.map(function (run) {
            return [run.exec_id, run.status, run.completed_at];
        })]);
        if (drawn === this._drawn) {
            return;
        }
        this._drawn = drawn;
        var longest = Math.max.apply(null, durations.concat(0.001));
        this._bars.empty().append(latest.map(function (run, index) {
            return barOf(run, durations[index], longest, run.exec_id === model.exec_id);
        }));
        this._drawLinks(model, runs);
        this._element.toggle(runs.length > 1);
    };

    RunsView.prototype._drawLinks = function (model, runs) {
        var place = runs.indexOf(model), previous = runs[place + 1];
        this._links.empty();
        if (place !== -1 && previous) {
            this._links.append($('<a>').attr('href', listQuery.comparisonOf(previous.exec_id, model.exec_id)).text(
                i18n.msg._("Compare with the previous one")), ' · ');
        }
        this._links.append($('<a>').attr('href', listQuery.addressOf({notebook: model.path})).text(
            i18n.msg.sprintf(i18n.msg._("All %d in the list"), runs.length)));
    };

    var barOf = function (run, seconds, longest, isThis) {
        var state = executionModel.stateOf(run);
        var words = [texts.momentOf(run.started_at || run.requested_at || 0), texts.stateNames[state],
                     executionModel.isFinal(run) ? texts.duration(seconds) : '', texts.parametersOf(run)];
        var title = words.filter(Boolean).join(', ');
        var link = $('<a>').attr({href: '#executions/' + encodeURIComponent(run.exec_id), title: title, 'aria-label': title})
            .addClass('nbexec-run-bar nbexec-run-' + state).append(
                $('<span>').css('height', Math.max(100 * seconds / longest, 4) + '%'));
        if (isThis) {
            link.attr('aria-current', 'true');
        }
        return $('<div>').attr('role', 'listitem').append(link);
    };

    return {RunsView: RunsView};
});
