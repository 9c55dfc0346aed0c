/**
 * What a page knows of one execution while it follows its events; draws nothing.
 *
 * It keeps the source and the output of one cell only, and of a long output the end, so that a run of days takes no
 * more memory than a short one.
 */
define([], function () {
    "use strict";

    var LONGEST_TEXT = 128 * 1024;  // characters of output that are kept; half of them when it gets longer
    var MOST_OUTPUTS = 200;
    var LARGEST_OUTPUT = 4 * 1024 * 1024;  // characters of one picture or table
    var NOTICE = 50;  // milliseconds in which changes are collected

    /**
     * @constructor
     * @param {Client} client
     * @param {Object} model - of the execution
     * @param {function(FollowedRun)} on_change - called soon after something has changed
     */
    var FollowedRun = function (client, model, on_change) {
        this.client = client;
        this.model = model;
        this.on_change = on_change;
        this.number = 0;  // of the cell that was started last, from 1
        this.total = 0;
        this.cell = null;  // as it was run
        this.is_cell_running = false;
        this.injected = 0;  // number of the cell that was put in for the parameters
        this.outputs = [];
        this.version = 0;  // grows when outputs are not only added
        this.warnings = [];  // sentences
        this.error = null;  // the last event, if it tells of an error
        this.state = 'connecting';  // as `Client.follow` tells it
        this.problem = null;  // {status, message}
        this.is_stopping = false;
        this.expected = null;  // seconds
        this.since = 0;
        this._stop = null;
        this._timer = null;
    };

    Object.defineProperty(FollowedRun.prototype, 'id', {get: function () { return this.model.exec_id; }});

    /** Whether it has ended, as far as is known. */
    Object.defineProperty(FollowedRun.prototype, 'is_over', {get: function () {
        return this.model.completed_at !== null || this.state === 'gone';
    }});

    /** Seconds since its start; of a run that has ended, those that it took. */
    FollowedRun.prototype.elapsed = function () {
        var end = this.model.completed_at === null ? this.client.now() : this.model.completed_at;
        return this.model.started_at === null ? 0 : Math.max(0, end - this.model.started_at);
    };

    FollowedRun.prototype.follow = function () {
        if (this._stop || (this.is_over && this.since)) {
            return;
        }
        var that = this;
        this._stop = this.client.follow(this.id, {
            since: this.since,
            outputs: true,
            onEvent: function (event) {
                that.since = event.seq || that.since;
                that.take(event);
                that.changed();
            },
            onState: function (state, problem) {
                that.state = state;
                that.problem = problem || null;
                that.is_cell_running = that.is_cell_running && state !== 'gone';
                that.changed();
            }
        });
    };

    FollowedRun.prototype.unfollow = function () {
        if (this._stop) {
            this._stop();
            this._stop = null;
        }
    };

    FollowedRun.prototype.stop = function () {
        var that = this;
        this.is_stopping = true;
        this.changed();
        return this.client.shutdown(this.id).catch(function (error) {
            that.is_stopping = false;
            that.changed();
            throw error;
        });
    };

    FollowedRun.prototype.changed = function () {
        var that = this;
        this._timer = this._timer || setTimeout(function () {
            that._timer = null;
            that.on_change(that);
        }, NOTICE);
    };

    // -- events ------------------------------------------------------------------------------------------------------

    FollowedRun.prototype.take = function (event) {
        if (event.execution) {
            this.model = event.execution;
        }
        this.warnings = event.warnings || this.warnings;
        if (event.event === 'start') {
            this.take_progress(event);
            this.cell = event.cell;
            this.is_cell_running = true;
            this.model.status = 'executing';
            this.set_outputs([]);
        } else if (event.event === 'output') {
            if (this.is_cell_running && this.is_of_cell(event)) {
                this.set_outputs(event.replace ? event.outputs : this.outputs.concat(event.outputs), !event.replace);
            }
        } else if (event.event === 'end') {
            this.take_progress(event);
            this.cell = event.cell;
            this.is_cell_running = false;
            this.set_outputs(event.cell.outputs || []);
        } else if (event.event === 'notebook_complete' || event.event === 'notebook_error') {
            this.is_cell_running = false;
            this.error = event.event === 'notebook_error' ? event : null;
            this._stop = null;
        }
    };

    FollowedRun.prototype.take_progress = function (event) {
        var parts = event.progress.split('/');
        this.number = Number(parts[0]);
        this.total = Number(parts[1]);
        if (event.cell && is_injected(event.cell)) {
            this.injected = this.number;
        }
    };

    FollowedRun.prototype.is_of_cell = function (event) {
        return event.progress === this.number + '/' + this.total;
    };

    var is_injected = function (cell) {
        return ((cell.metadata || {}).tags || []).indexOf('injected-parameters') !== -1;
    };

    // -- outputs ---------------------------------------------------------------------------------------------------

    FollowedRun.prototype.set_outputs = function (outputs, is_longer) {
        var kept = bounded(outputs);
        if (!is_longer || kept !== outputs) {
            this.version += 1;
        }
        this.outputs = kept;
    };

    /** The end of the outputs if they are too long, else just these. */
    var bounded = function (outputs) {
        var length = outputs.reduce(function (sum, output) { return sum + text_length(output); }, 0);
        var is_large = outputs.some(function (output) { return size_of(output) > LARGEST_OUTPUT; });
        if (length <= LONGEST_TEXT && outputs.length <= MOST_OUTPUTS && !is_large) {
            return outputs;
        }
        var kept = [], left = LONGEST_TEXT / 2;
        merged(outputs).slice(-MOST_OUTPUTS / 2).reverse().forEach(function (output) {
            if (output.output_type !== 'stream') {
                kept.unshift(size_of(output) > LARGEST_OUTPUT ? note('[large output: it is in the result]\n') : output);
            } else if (left > 0) {
                var text = text_of(output);
                kept.unshift({output_type: 'stream', name: output.name, text: text.slice(-left)});
                left -= text.length;
            }
        });
        return kept;
    };

    var note = function (text) {
        return {output_type: 'stream', name: 'stdout', text: text};
    };

    /** Join what was printed in one go, which comes in pieces. */
    var merged = function (outputs) {
        return outputs.reduce(function (done, output) {
            var last = done[done.length - 1];
            if (last && output.output_type === 'stream' && last.output_type === 'stream' && last.name === output.name) {
                done[done.length - 1] = {output_type: 'stream', name: last.name, text: text_of(last) + text_of(output)};
            } else {
                done.push(output);
            }
            return done;
        }, []);
    };

    var text_of = function (output) {
        return Array.isArray(output.text) ? output.text.join('') : output.text || '';
    };

    var text_length = function (output) {
        return output.output_type === 'stream' ? text_of(output).length : 0;
    };

    var size_of = function (output) {
        var data = output.data || {};
        return Object.keys(data).reduce(function (sum, type) { return sum + (data[type].length || 0); }, 0);
    };

    return {FollowedRun: FollowedRun};
});
