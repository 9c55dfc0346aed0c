/**
 * The models of all executions, kept up to date by the stream of their changes; knows no page and no selector.
 */
define(['./execution_model'], function (executionModel) {
    "use strict";

    var AGAIN = 3 * 1000;  // after which a list that could not be had is asked for again
    var FIRST_PAGE = 100, PAGE = 1000;  // executions that are asked for at once: so many are seen, and the rest

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
        this._shown = new Snapshot();
        this._next = null;  // what is being asked for; on the first time it is the one that is shown, too
        this._isWhole = false;  // whether those that have ended are wanted too
        this._isShown = false;  // whether a page was had
        this._isComplete = false;  // whether all executions were had once
        this._isConnected = false;
        this._stop = null;
    };

    /** Begin to follow, without what has ended before: there may be many of them, and few look at them. */
    ExecutionList.prototype.watch = function () {
        if (!this._stop) {
            this._options.onState('connecting');
            this._stop = this._client.followAll({onEvent: this._take.bind(this), onState: this._onState.bind(this)});
        }
    };

    /** Begin to follow all executions; once it has begun this does nothing. */
    ExecutionList.prototype.start = function () {
        if (this._isWhole) {
            return;
        }
        this._isWhole = true;
        if (this._isConnected) {
            this._ask();
        } else {
            this.watch();
        }
    };

    /** Follow no more. */
    ExecutionList.prototype.stop = function () {
        this._next = null;  // what is still to be answered does not count
        if (this._stop) {
            this._stop();
        }
    };

    ExecutionList.prototype.get = function (id) {
        return this._shown.models[id];
    };

    /** Whether there are executions that were not had yet. */
    ExecutionList.prototype.isLoading = function () {
        return !this._isComplete;
    };

    /** All models, the newest first. */
    ExecutionList.prototype.all = function () {
        return this._shown.all();
    };

    /** How many wait or run. */
    ExecutionList.prototype.countUnfinished = function () {
        return this._shown.countUnfinished();
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
        this._isConnected = state === 'connected';
        if (this._isConnected) {
            this._ask();
        } else {
            this._options.onState(state, error);
        }
    };

    /**
     * Ask for the list, a page after the other; the stream is open already, so that nothing is missed. The first time each
     * page is shown as it comes; after that, the old list is shown until the new one is complete.
     */
    ExecutionList.prototype._ask = function () {
        this._next = new Snapshot();
        this._askPage(this._next, this._isWhole ? FIRST_PAGE : PAGE, null);
    };

    ExecutionList.prototype._askPage = function (snapshot, limit, after) {
        var that = this, query = {order: 'newest', limit: limit};
        if (after) {
            query.after = after;
        }
        if (!this._isWhole) {
            query.state = 'waiting,running';
        }
        this._client.listPage(query).then(function (page) {
            if (snapshot === that._next) {
                snapshot.addPage(page.models);
                that._takePage(page.next);
            }
        }).catch(function (error) {
            if (snapshot !== that._next) {
                return;
            }
            that._options.onState(error.status === 401 ? 'unauthorized' : 'lost', error);
            setTimeout(function () {
                if (snapshot === that._next) {
                    that._ask();
                }
            }, AGAIN);
        });
    };

    ExecutionList.prototype._takePage = function (next) {
        var snapshot = this._next, isLast = !next, isShown = isLast || !this._isComplete;
        this._isComplete = this._isComplete || isLast && this._isWhole;
        if (isShown) {
            this._isShown = true;
            this._shown = snapshot;
            this._options.onChange();
        }
        if (isLast) {
            this._next = null;
            snapshot.close();
            this._options.onState('connected');
        } else {
            this._askPage(snapshot, PAGE, next);
        }
    };

    ExecutionList.prototype._take = function (event) {
        this._shown.apply(event);
        if (this._next && this._next !== this._shown) {
            this._next.apply(event);
        }
        if (this._isShown) {
            this._options.onChange([event.exec_id]);
        }
    };

    /**
     * The models of one answer, which may have several pages, and of the events since it was asked for.
     *
     * @constructor
     */
    var Snapshot = function () {
        this.models = {};
        this._numbers = {};  // the order in which the executions came
        this._lowest = 0;
        this._highest = 0;
        this._touched = {};  // by events, which are newer than any page; null when there will be no more pages
        this._unfinished = {};  // ids, so that not all models are looked at for each event
        this._sorted = null;
    };

    Snapshot.prototype.addPage = function (models) {
        models.forEach(function (model) {
            var id = model.exec_id;
            if (!this._touched[id]) {
                this._set(model);
            }
            if (this.models[id]) {
                this._numbers[id] = --this._lowest;
            }
        }, this);
        this._sorted = null;
    };

    /** Expect no more pages. */
    Snapshot.prototype.close = function () {
        this._touched = null;
    };

    Snapshot.prototype.apply = function (event) {
        var id = event.exec_id;
        if (this._touched) {
            this._touched[id] = true;
        }
        if (event.event === 'deleted') {
            delete this.models[id];
            delete this._numbers[id];
            delete this._unfinished[id];
            this._sorted = null;
        } else if (event.execution) {
            this._put(event.execution);
        }
    };

    Snapshot.prototype._put = function (model) {
        var id = model.exec_id, known = this.models[id];
        if (known && executionModel.isFinal(known) && !executionModel.isFinal(model)) {
            return;  // the list was newer than this
        }
        if (!(id in this._numbers)) {
            this._numbers[id] = ++this._highest;
            this._sorted = null;
        }
        this._set(model);
    };

    Snapshot.prototype._set = function (model) {
        this.models[model.exec_id] = model;
        if (executionModel.isFinal(model)) {
            delete this._unfinished[model.exec_id];
        } else {
            this._unfinished[model.exec_id] = true;
        }
    };

    Snapshot.prototype.countUnfinished = function () {
        return Object.keys(this._unfinished).length;
    };

    Snapshot.prototype.all = function () {
        var numbers = this._numbers, models = this.models;
        this._sorted = this._sorted || Object.keys(models).sort(function (a, b) { return numbers[b] - numbers[a]; });
        return this._sorted.map(function (id) { return models[id]; });
    };

    return {ExecutionList: ExecutionList};
});
