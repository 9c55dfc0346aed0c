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

    /** Find those that are under way, and ask how long the last one took; resolves to the newest, if there is one. */
    NotebookRuns.prototype.find = function () {
        var that = this;
        return this._client.listPage({state: 'waiting,running', order: 'oldest'}).then(function (page) {
            page.models.filter(that._isRunning, that).forEach(that.add, that);
            if (that.all.length) {
                that.askExpected();
            }
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
        if (ids) {
            this._drop(ids.filter(function (id) { return !list.get(id); }));
        } else {
            this.all.forEach(this._lookFor, this);
        }
        this._options.onList();
    };

    /** Ask for a run that has ended or was deleted while nothing was heard of it. */
    NotebookRuns.prototype._lookFor = function (run) {
        var that = this;
        if (run !== this.followed && !this._list.get(run.id)) {
            this._client.get(run.id).then(run.update.bind(run), function (error) {
                if (error.status === 404) {
                    that._drop([run.id]);
                }
            }).then(this._options.onList);
        }
    };

    /** Offer these no more; the one that is shown stays. */
    NotebookRuns.prototype._drop = function (ids) {
        this.all = this.all.filter(function (run) {
            return run === this.followed || ids.indexOf(run.id) === -1;
        }, this);
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
        this._list.watch();
    };

    /** Ask how long it took the last time, if it did not fail. */
    NotebookRuns.prototype.askExpected = function () {
        var query = {notebook: this._options.notebook.notebook_path, state: 'completed', order: 'newest', limit: 1};
        this._client.listPage(query).then(this._setExpected.bind(this)).catch(function () {});  // nothing is lost but a hint
    };

    NotebookRuns.prototype._setExpected = function (page) {
        var ours = this.all.map(function (run) { return run.model; });  // perhaps from before it was renamed
        var last = page.models.concat(ours).filter(function (model) {
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
