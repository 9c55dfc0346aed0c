/**
 * Starts an execution for each row of a table of values, one after the other, and knows what has become of each. Draws
 * nothing.
 *
 * A server that is busy or away is waited for: each row has a key, with which it runs once however often it is sent.
 */
define(['base/js/utils', './execution_list', './execution_model'], function (utils, executionList, executionModel) {
    "use strict";

    var PAUSE = 3;  // seconds, where the server does not say

    /**
     * @constructor
     * @param {Client} client
     * @param {Object} options
     * @param {Array<Object>} options.requests - the fields of each, as for `Client.start`
     * @param {string} [options.origin] - as there
     * @param {function()} options.onChange
     */
    var TableRuns = function (client, options) {
        this._client = client;
        this._options = options;
        this.problem = null;  // why nothing is started now, as an error of the client
        this.rows = options.requests.map(function (fields) {
            return {fields: fields, key: utils.uuid(), model: null, error: null, isLeft: false};
        });
        this._timer = null;
        this._list = new executionList.ExecutionList(client, {
            onChange: this._takeModels.bind(this), onState: function () {}});
    };

    TableRuns.prototype.start = function () {
        this._list.start();
        this._startNext();
    };

    /** Stop to follow them, and start no more; what runs goes on. */
    TableRuns.prototype.close = function () {
        clearTimeout(this._timer);
        this._leaveRest();
        this._list.stop();
    };

    /** Stop all: what runs, and what waits. */
    TableRuns.prototype.stopAll = function () {
        var client = this._client;
        clearTimeout(this._timer);
        this._leaveRest();
        this.rows.filter(function (row) { return stateOf(row) === 'running' || stateOf(row) === 'starting'; })
            .forEach(function (row) {
                client.shutdown(row.model.exec_id).catch(function () {});  // it is seen in its state
            });
        this._options.onChange();
    };

    TableRuns.prototype._leaveRest = function () {
        this.problem = null;
        this.rows.forEach(function (row) { row.isLeft = !row.model && !row.error; });
    };

    /** How many rows are in each state: 'next', 'starting', 'running', 'completed', 'failed', 'stopped'. */
    TableRuns.prototype.counts = function () {
        var counts = {next: 0, starting: 0, running: 0, completed: 0, failed: 0, stopped: 0};
        this.rows.forEach(function (row) { counts[stateOf(row)] += 1; });
        return counts;
    };

    TableRuns.prototype.isOver = function () {
        var counts = this.counts();
        return counts.next + counts.starting + counts.running === 0;
    };

    /** The state of a row; 'next' is one that was not sent yet. */
    var stateOf = function (row) {
        if (row.model) {
            return executionModel.stateOf(row.model);
        }
        return row.error ? 'failed' : row.isLeft ? 'stopped' : 'next';
    };

    TableRuns.prototype._startNext = function () {
        var that = this, row = this.rows.filter(function (row) { return stateOf(row) === 'next'; })[0];
        if (!row) {
            return;
        }
        this._client.start(row.fields, row.key, this._options.origin).then(function (model) {
            that.problem = null;
            row.model = that._list.get(model.exec_id) || model;
            that._startNext();
        }, function (error) {
            that._waitAfter(error, row);
        }).then(this._options.onChange);
    };

    /** Go on after an error: a row that is refused is left, and for all else the same is tried again. */
    TableRuns.prototype._waitAfter = function (error, row) {
        if (row.isLeft) {
            return;
        }
        if (error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 401) {
            row.error = error;
            return this._startNext();
        }
        this.problem = error;
        this._timer = setTimeout(this._startNext.bind(this), 1000 * (error.retryAfter || PAUSE));
    };

    TableRuns.prototype._takeModels = function () {
        var list = this._list;
        this.rows.forEach(function (row) {
            row.model = row.model && (list.get(row.model.exec_id) || row.model);
        });
        this._options.onChange();
    };

    return {TableRuns: TableRuns, stateOf: stateOf};
});
