/**
 * What a page knows of one execution while it follows its events; draws nothing.
 *
 * It keeps the source and the output of one cell only, so that a run of days takes no more memory than a short one.
 */
define(['./live_outputs'], function (liveOutputs) {
    "use strict";

    var NOTICE = 50;  // milliseconds in which changes are collected

    /**
     * @constructor
     * @param {Client} client
     * @param {Object} model - of the execution
     * @param {function(FollowedRun)} onChange - called soon after something has changed
     */
    var FollowedRun = function (client, model, onChange) {
        this._client = client;
        this.model = model;
        this._onChange = onChange;
        this.number = 0;  // of the cell that was started last, from 1
        this.total = 0;
        this.cell = null;  // as it was run
        this.isCellRunning = false;
        this.injected = 0;  // number of the cell that was put in for the parameters
        this.outputs = [];
        this.warnings = [];  // sentences
        this.error = null;  // the last event, if it tells of an error
        this.state = 'connecting';  // as `Client.follow` tells it
        this.problem = null;  // {status, message}
        this.isStopping = false;
        this.expected = null;  // seconds
        this._since = 0;
        this._stop = null;
        this._timer = null;
    };

    Object.defineProperty(FollowedRun.prototype, 'id', {get: function () { return this.model.exec_id; }});

    /** Whether it has ended, as far as is known. */
    Object.defineProperty(FollowedRun.prototype, 'isOver', {get: function () {
        return this.model.completed_at !== null || this.state === 'gone';
    }});

    /** Seconds since its start; of a run that has ended, those that it took. */
    FollowedRun.prototype.elapsed = function () {
        var end = this.model.completed_at === null ? this._client.now() : this.model.completed_at;
        return this.model.started_at === null ? 0 : Math.max(0, end - this.model.started_at);
    };

    FollowedRun.prototype.follow = function () {
        if (this._stop || (this.isOver && this._since)) {
            return;
        }
        var that = this;
        this._stop = this._client.follow(this.id, {
            since: this._since,
            outputs: true,
            onEvent: function (event) {
                that._since = event.seq || that._since;
                that._take(event);
                that._changed();
            },
            onState: function (state, problem) {
                that.state = state;
                that.problem = problem || null;
                that.isCellRunning = that.isCellRunning && state !== 'gone';
                that._changed();
            }
        });
    };

    /** Take what somebody else knows of it; what it is told itself is newer. */
    FollowedRun.prototype.update = function (model) {
        this.model = this._stop ? this.model : model;
    };

    FollowedRun.prototype.unfollow = function () {
        if (this._stop) {
            this._stop();
            this._stop = null;
        }
    };

    FollowedRun.prototype.stop = function () {
        var that = this;
        this.isStopping = true;
        this._changed();
        return this._client.shutdown(this.id).catch(function (error) {
            that.isStopping = false;
            that._changed();
            throw error;
        });
    };

    FollowedRun.prototype._changed = function () {
        var that = this;
        this._timer = this._timer || setTimeout(function () {
            that._timer = null;
            that._onChange(that);
        }, NOTICE);
    };

    // -- events ------------------------------------------------------------------------------------------------------

    FollowedRun.prototype._take = function (event) {
        if (event.execution) {
            this.model = event.execution;
        }
        this.warnings = event.warnings || this.warnings;
        if (event.event === 'start') {
            this._takeProgress(event);
            this.cell = event.cell;
            this.isCellRunning = true;
            this.model.status = 'executing';
            this.outputs = [];
        } else if (event.event === 'output') {
            if (this.isCellRunning && this._isOfCell(event)) {
                this.outputs = liveOutputs.after(this.outputs, event);
            }
        } else if (event.event === 'end') {
            this._takeProgress(event);
            this.cell = event.cell;
            this.isCellRunning = false;
            this.outputs = liveOutputs.bounded(liveOutputs.atEnd(event));
        } else if (event.event === 'notebook_complete' || event.event === 'notebook_error') {
            this.isCellRunning = false;
            this.error = event.event === 'notebook_error' ? event : null;
            this._stop = null;
        }
    };

    FollowedRun.prototype._takeProgress = function (event) {
        var parts = event.progress.split('/');
        this.number = Number(parts[0]);
        this.total = Number(parts[1]);
        if (event.cell && isInjected(event.cell)) {
            this.injected = this.number;
        }
    };

    FollowedRun.prototype._isOfCell = function (event) {
        return event.progress === this.number + '/' + this.total;
    };

    var isInjected = function (cell) {
        return ((cell.metadata || {}).tags || []).indexOf('injected-parameters') !== -1;
    };

    return {FollowedRun: FollowedRun};
});
