/**
 * The executions of the notebook of the page that it knows of, and the one that it follows. Draws nothing.
 */
define([
    './followed_run', './execution_list', './renamed_notebooks'
], function (followedRun, executionList, renamedNotebooks) {
    "use strict";

    /**
     * @constructor
     * @param {Client} client
     * @param {Object} options
     * @param {Notebook} options.notebook - of the page
     * @param {function(FollowedRun)} options.onChange - called soon after something of a run has changed
     * @param {function()} options.onList - called when there are others, or more is known of them
     */
    var NotebookRuns = function (client, options) {
        this._client = client;
        this._options = options;
        this.all = [];  // newest first
        this.followed = null;
        this._list = new executionList.ExecutionList(client, {
            onChange: this._takeChanges.bind(this), onState: function () {}});
    };

    /** Find those that are under way, and how long the last one took; resolves to the newest, if there is one. */
    NotebookRuns.prototype.find = function () {
        var that = this;
        return this._client.list().then(function (models) {
            models.filter(that._isRunning, that).sort(function (one, other) {
                return one.started_at - other.started_at;
            }).forEach(that.add, that);
            that._setExpected(models);
            return that.all[0];
        });
    };

    NotebookRuns.prototype._isOfNotebook = function (model) {
        return renamedNotebooks.isOf(model, this._options.notebook.notebook_path);
    };

    NotebookRuns.prototype._isRunning = function (model) {
        return model.completed_at === null && this._isOfNotebook(model);
    };

    /** Keep them with the notebook, which has another name now. */
    NotebookRuns.prototype.rememberName = function () {
        renamedNotebooks.remember(this.all.map(function (run) { return run.id; }), this._options.notebook.notebook_path);
    };

    /** Bring the runs up to date with the executions of these ids, or with all. */
    NotebookRuns.prototype._takeChanges = function (ids) {
        var list = this._list;
        var models = (ids ? ids.map(list.get, list).filter(Boolean) : list.all()).reverse();
        models.filter(this._isRunning, this).forEach(this.add, this);
        models.forEach(function (model) {
            this.all.forEach(function (run) {
                if (run.id === model.exec_id) {
                    run.update(model);
                }
            });
        }, this);
        this.all = this.all.filter(function (run) {
            return run === this.followed || list.isLoading() || list.get(run.id);
        }, this);
        this._options.onList();
    };

    /** Add an execution by its model, unless it is known; returns its run. */
    NotebookRuns.prototype.add = function (model) {
        var known = this._get(model.exec_id);
        if (!known) {
            known = new followedRun.FollowedRun(this._client, model, this._options.onChange);
            this.all.unshift(known);
        }
        return known;
    };

    NotebookRuns.prototype._get = function (id) {
        return this.all.filter(function (run) { return run.id === id; })[0];
    };

    /** Follow the run with this id, and no other: browsers have few connections. */
    NotebookRuns.prototype.follow = function (id) {
        if (this.followed && this.followed.id !== id) {
            this.followed.unfollow();
        }
        this.followed = this._get(id);
        this.followed.follow();
        this._list.start();
    };

    /** Ask how long it took the last time, if it did not fail. */
    NotebookRuns.prototype.askExpected = function () {
        this._client.list().then(this._setExpected.bind(this)).catch(function () {});  // nothing is lost but a hint
    };

    NotebookRuns.prototype._setExpected = function (models) {
        var last = models.filter(function (model) {
            return model.status === 'completed' && this._isOfNotebook(model);
        }, this).sort(function (a, b) { return b.completed_at - a.completed_at; })[0];
        this.all.forEach(function (run) {
            if (last && !run.isOver) {
                run.expected = last.completed_at - last.started_at;
            }
        });
        this._options.onList();
    };

    return {NotebookRuns: NotebookRuns};
});
