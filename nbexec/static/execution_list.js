/**
 * The models of all executions, kept up to date by the stream of their changes; knows no page and no selector.
 */
define(['./execution_model'], function (executionModel) {
    "use strict";

    var AGAIN = 3 * 1000;  // after which a list that could not be had is asked for again

    /**
     * @constructor
     * @param {Client} client
     * @param {Object} options
     * @param {function(Array=)} options.onChange - called with the ids that have changed, came or went; without when all may
     * @param {function(string, Object=)} options.onState - 'connecting', and what the stream says
     */
    var ExecutionList = function (client, options) {
        this._client = client;
        this._options = options;
        this._models = {};
        this._numbers = {};  // the order in which the executions came
        this._count = 0;
        this._waiting = null;  // events that came while the list was asked for
        this._asked = 0;
        this._stop = null;
    };

    /** Begin to follow; once it has begun this does nothing. */
    ExecutionList.prototype.start = function () {
        if (this._stop) {
            return;
        }
        this._options.onState('connecting');
        this._stop = this._client.followAll({onEvent: this._take.bind(this), onState: this._onState.bind(this)});
    };

    ExecutionList.prototype.get = function (id) {
        return this._models[id];
    };

    /** All models, the newest first. */
    ExecutionList.prototype.all = function () {
        var numbers = this._numbers, models = this._models;
        return Object.keys(models).sort(function (a, b) {
            return numbers[b] - numbers[a];
        }).map(function (id) { return models[id]; });
    };

    /** Seconds that the execution has taken, null if it has not started. */
    ExecutionList.prototype.durationOf = function (model) {
        if (model.started_at === null) {
            return null;
        }
        var end = executionModel.isFinal(model) && model.completed_at !== null ? model.completed_at : this._client.now();
        return Math.max(end - model.started_at, 0);
    };

    ExecutionList.prototype._onState = function (state, error) {
        if (state === 'connected') {
            this._ask();
        } else {
            this._options.onState(state, error);
        }
    };

    /** Ask for the whole list; the stream is open already, so that nothing is missed. */
    ExecutionList.prototype._ask = function () {
        var that = this, asked = ++this._asked;
        this._waiting = this._waiting || [];
        this._client.list().then(function (models) {
            if (asked === that._asked) {
                that._replace(models);
                that._options.onState('connected');
            }
        }).catch(function (error) {
            if (asked === that._asked) {
                that._options.onState(error.status === 401 ? 'unauthorized' : 'lost', error);
                setTimeout(function () {
                    if (asked === that._asked) {
                        that._ask();
                    }
                }, AGAIN);
            }
        });
    };

    ExecutionList.prototype._replace = function (models) {
        var that = this, waiting = this._waiting || [];
        this._waiting = null;
        this._models = {};
        models.forEach(function (model) { that._put(model); });
        waiting.forEach(function (event) { that._apply(event); });
        this._options.onChange();
    };

    ExecutionList.prototype._put = function (model) {
        var known = this._models[model.exec_id];
        if (known && executionModel.isFinal(known) && !executionModel.isFinal(model)) {
            return;  // the list was newer than this
        }
        if (!(model.exec_id in this._numbers)) {
            this._numbers[model.exec_id] = ++this._count;
        }
        this._models[model.exec_id] = model;
    };

    ExecutionList.prototype._take = function (event) {
        if (this._waiting) {
            this._waiting.push(event);
        } else {
            this._apply(event);
            this._options.onChange([event.exec_id]);
        }
    };

    ExecutionList.prototype._apply = function (event) {
        if (event.event === 'deleted') {
            delete this._models[event.exec_id];
            delete this._numbers[event.exec_id];
        } else if (event.execution) {
            this._put(event.execution);
        }
    };

    return {ExecutionList: ExecutionList};
});
