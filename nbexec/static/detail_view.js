/**
 * Draws one execution: what it was given, when it ran, its cells along the time, and each with its source and output.
 */
define(['jquery', 'base/js/namespace', 'base/js/i18n', './words', './list_view', './timeline_view', './cell_view'
], function ($, Jupyter, i18n, words, list_view, timeline_view, cell_view) {
    "use strict";

    var TICK = 250;
    var LONG = 0.7;  // seconds after which a cell that runs is opened by itself
    var SUMMARY = 300;  // characters of output in the picture's hint

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {Object} options
     * @param {Client} options.client
     * @param {ExecutionList} options.list
     * @param {Actions} options.actions
     * @param {function()} options.on_back - called when the list is asked for
     */
    var DetailView = function (element, options) {
        this._element = element;
        this._client = options.client;
        this._list = options.list;
        this._actions = options.actions;
        this._on_back = options.on_back;
        this._id = null;
        this._stop = null;
        setInterval(this._tick.bind(this), TICK);
    };

    /** The execution that is shown, null if none is. */
    DetailView.prototype.id = function () {
        return this._id;
    };

    /** Show an execution, and follow it if it is not at its end. */
    DetailView.prototype.open = function (id) {
        if (this._id === id) {
            return;
        }
        this.close();
        this._id = id;
        this._cells = [];
        this._views = {};
        this._is_followed_to_end = false;
        this._known = false;
        this._create();
        this.update();
        this._stop = this._client.follow(id, {outputs: true, onEvent: this._take.bind(this),
                                              onState: this._on_state.bind(this)});
        this._title.focus();
    };

    DetailView.prototype.close = function () {
        if (this._stop) {
            this._stop();
        }
        this._stop = this._id = null;
        this._element.empty();
    };

    // -- what is drawn once ----------------------------------------------------------------------------------------

    DetailView.prototype._create = function () {
        var that = this;
        var back = $('<button>').attr('type', 'button').addClass('btn btn-default btn-xs nbexec-back').append(
            $('<i>').addClass('fa fa-arrow-left').attr('aria-hidden', 'true'), ' ', i18n.msg._("All executions"))
            .click(function () { that._on_back(); });
        this._title = $('<h3>').attr('tabindex', -1);
        this._label = $('<span>');
        this._progress_text = $('<span>').addClass('nbexec-cell-number');
        this._bar = $('<div>').addClass('progress-bar').attr({role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100,
                                                              'aria-label': i18n.msg._("Progress")});
        this._progress = $('<div>').addClass('progress').append(this._bar);
        this._buttons = $('<div>').addClass('nbexec-detail-buttons');
        this._error = $('<div>').addClass('alert alert-danger nbexec-alert').attr('role', 'alert').hide();
        this._warnings = $('<div>').addClass('alert alert-warning nbexec-warnings').attr('role', 'status').hide();
        this._facts = $('<dl>').addClass('nbexec-facts');
        this._parameters = $('<div>').addClass('nbexec-parameters-table');
        this._picture = $('<div>');
        this._note = $('<p>').addClass('nbexec-note');
        this._cell_list = $('<div>').addClass('nbexec-cells');
        this._status = $('<div>').addClass('sr-only').attr({role: 'status', 'aria-live': 'polite'});
        this._all = $('<div>').append(
            $('<div>').addClass('nbexec-heading').append(
                $('<div>').append(this._title, $('<div>').append(this._label, ' ', this._progress_text, this._progress)),
                this._buttons),
            this._error, this._warnings,
            $('<div>').addClass('nbexec-two').append(
                $('<section>').append($('<h4>').text(i18n.msg._("Execution")), this._facts),
                $('<section>').append($('<h4>').text(i18n.msg._("Parameters")), this._parameters)),
            $('<h4>').text(i18n.msg._("Cells along the time")), this._picture, this._note,
            this._cell_list);
        this._element.append(back, this._all, this._status);
        this._timeline = new timeline_view.TimelineView(this._picture, {on_select: function (cell) {
            that._views[cell.number].show();
        }});
    };

    // -- the model -------------------------------------------------------------------------------------------------

    /** Bring what the model says up to date. */
    DetailView.prototype.update = function () {
        if (this._id === null) {
            return;
        }
        var model = this._list.get(this._id);
        if (model) {
            this._known = true;
            this._model = model;
            this._draw_model(model);
        } else if (this._known) {
            this._gone();
        }
        this.draw();
    };

    DetailView.prototype._gone = function () {
        if (this._stop) {
            this._stop();
        }
        this._model = null;
        this._all.empty().append($('<div>').addClass('nbexec-empty').attr('role', 'alert').text(
            i18n.msg._("There is no such execution any more: it was deleted.")));
    };

    DetailView.prototype._draw_model = function (model) {
        var state = words.state_of(model), percent = words.percent_of(model), running = model.status === 'executing';
        if (this._state !== undefined && this._state !== state && this._said === model.exec_id) {
            this._status.text(words.name_of(model.path) + ': ' + words.state_names[state]);
        }
        var is_new = this._said !== model.exec_id || this._state !== state || !this._title.text();
        this._state = state;
        this._said = model.exec_id;
        this._progress_text.text(running ? words.cell_of(model) : '');
        this._progress.toggle(running);
        this._bar.css('width', percent + '%').attr({'aria-valuenow': percent, 'aria-valuetext': words.cell_of(model)});
        if (is_new) {
            this._title.text(words.name_of(model.path));
            list_view.fill_label(this._label, state);
            this._draw_buttons(model);
            this._draw_facts(model);
            this._draw_parameters(model);
            this._draw_error(model);
        }
    };

    DetailView.prototype._draw_buttons = function (model) {
        var that = this, actions = this._actions, focused = $(document.activeElement).data('nbexec_name');
        this._buttons.empty();
        var add = function (label, style, act) {
            $('<button>').attr('type', 'button').addClass('btn btn-sm ' + style).data('nbexec_name', label).text(label)
                .click(function () { act(this); }).appendTo(that._buttons);
        };
        var link = function (label, style, path) {
            $('<a>').addClass('btn btn-sm ' + style).attr({href: actions.url_of(path), target: Jupyter._target}).text(label)
                .appendTo(that._buttons);
        };
        if (!words.is_final(model)) {
            add(i18n.msg._("Stop"), 'btn-warning', function (button) { actions.stop(model, button); });
        } else if (model.output_path) {
            link(i18n.msg._("Open result"), 'btn-primary', model.output_path);
        }
        link(i18n.msg._("Open notebook"), 'btn-default', model.path);
        add(i18n.msg._("Run again"), 'btn-default', function (button) { actions.again(that._model, button); });
        add(i18n.msg._("Run again with changes…"), 'btn-default', function (button) { actions.change(that._model, button); });
        add(i18n.msg._("Delete…"), 'btn-default', function (button) { actions.remove(that._model, button); });
        this._buttons.children().filter(function () {
            return focused && $(this).data('nbexec_name') === focused;
        }).focus();
    };

    DetailView.prototype._draw_facts = function (model) {
        var facts = this._facts.empty(), actions = this._actions;
        var add = function (name, value) {
            return $('<dd>').text(value || '').appendTo(facts.append($('<dt>').text(name)));
        };
        var link = function (name, path) {
            add(name).append($('<a>').attr({href: actions.url_of(path), target: Jupyter._target}).text(path));
        };
        link(i18n.msg._("Notebook"), model.path);
        if (model.output_path && words.is_final(model)) {
            link(i18n.msg._("Result"), model.output_path);
        }
        if (model.started_at !== null) {
            add(i18n.msg._("Started"), words.moment_of(model.started_at));
        }
        if (model.completed_at !== null) {
            add(i18n.msg._("Ended"), words.moment_of(model.completed_at));
        }
        this._duration = add(i18n.msg._("Duration"));
        add(i18n.msg._("Kernel"), model.jupyter_kernel || i18n.msg._("that of the notebook"));
        if (model.cell_timeout) {
            add(i18n.msg._("Cell timeout"), words.duration(model.cell_timeout));
        }
        add('exec_id', model.exec_id);
    };

    DetailView.prototype._draw_parameters = function (model) {
        var names = Object.keys(model.params), body = $('<tbody>');
        this._parameters.empty();
        if (!names.length) {
            this._parameters.append($('<p>').addClass('nbexec-note').text(
                i18n.msg._("None was given: the notebook ran with its own values.")));
            return;
        }
        names.forEach(function (name) {
            body.append($('<tr>').append($('<th>').attr('scope', 'row').text(name), $('<td>').text(model.params[name])));
        });
        this._parameters.append($('<table>').addClass('table table-condensed').append(body));
    };

    DetailView.prototype._draw_error = function (model) {
        var that = this, error = words.state_of(model) === 'failed' ? words.error_line(model) : '';
        this._error.toggle(Boolean(error)).empty();
        if (error) {
            this._error.append(
                $('<span>').text(words.cell_of(model)
                    ? i18n.msg.sprintf(i18n.msg._("It failed in %s: %s"), words.cell_of(model), error) : error), ' ',
                $('<button>').attr('type', 'button').addClass('btn btn-default btn-xs').text(i18n.msg._("Show the cell"))
                    .click(function () {
                        that._views[that._cells[that._cells.length - 1].number].show();
                    }),
                ' ',
                $('<button>').attr('type', 'button').addClass('btn btn-default btn-xs').text(i18n.msg._("Show error"))
                    .click(function () { that._actions.show_error(model, this); }));
        }
    };

    // -- the events ------------------------------------------------------------------------------------------------

    DetailView.prototype._on_state = function (state) {
        if (state === 'gone') {
            this._gone();
        }
    };

    DetailView.prototype._take = function (event) {
        if (event.warnings) {
            this._warnings.text(event.warnings.join(' ')).show();
        }
        if (event.event === 'start') {
            this._start_cell(event);
        } else if (event.event === 'output') {
            var view = this._views[number_of(event)];
            if (view) {
                view.add(event.outputs, event.replace);
            }
        } else if (event.event === 'end') {
            this._end_cell(event);
        } else if (event.event === 'notebook_complete' || event.event === 'notebook_error') {
            this._is_followed_to_end = true;
            this._end(event);
        }
        this._draw_soon();
    };

    DetailView.prototype._start_cell = function (event) {
        var cell = {number: number_of(event), source: source_of(event.cell), state: 'running', end: null, outputs: null,
                    begin: time_of(event, 'start_time')};
        this._cells.push(cell);
        this._views[cell.number] = new cell_view.CellView(this._cell_list, cell);
    };

    DetailView.prototype._end_cell = function (event) {
        var cell = this._cells[this._cells.length - 1];
        if (!cell || cell.number !== number_of(event)) {
            return;
        }
        cell.state = 'done';
        cell.end = time_of(event, 'end_time');
        cell.outputs = event.cell.outputs;
        cell.summary = summary_of(cell.outputs);
        this._views[cell.number].end();
    };

    /** The execution has ended: what was running, or else the last cell, is where it failed. */
    DetailView.prototype._end = function (event) {
        var cell = this._cells[this._cells.length - 1];
        if (event.event === 'notebook_error' && cell) {
            var stopped = event.execution && words.state_of(event.execution) === 'stopped';
            if (stopped && cell.end !== null) {
                return;  // it was stopped between two cells
            }
            cell.state = stopped ? 'stopped' : 'failed';
            if (cell.end === null) {
                cell.end = Math.max(event.timestamp, cell.begin);
            }
            if (!stopped) {
                this._views[cell.number].open();
            }
        }
    };

    // -- drawing ---------------------------------------------------------------------------------------------------

    DetailView.prototype._draw_soon = function () {
        var that = this;
        if (!this._due) {
            this._due = window.requestAnimationFrame(function () {
                that._due = null;
                that.draw();
            });
        }
    };

    /** Bring picture, cells and times up to date. */
    DetailView.prototype.draw = function () {
        var model = this._model;
        if (this._id === null || !model) {
            return;
        }
        var now = this._client.now(), views = this._views;
        if (this._drawn_id !== this._id) {
            this._drawn_id = this._id;
            this._drawn_cells = 0;
        }
        // Only the last one drawn, and those after it, can have changed.
        this._cells.slice(Math.max(this._drawn_cells - 1, 0)).forEach(function (cell) {
            views[cell.number].draw(now);
            // While past events come in, a cell looks as if it ran until its end comes, too.
            var runs = cell.state === 'running' && !words.is_final(model) && parseInt(model.progress, 10) === cell.number;
            if (runs && now - cell.begin > LONG && !cell.was_opened) {
                cell.was_opened = true;
                views[cell.number].open();
            }
        });
        this._drawn_cells = this._cells.length;
        var duration = this._list.duration_of(model);
        this._duration.text(duration === null ? '' : words.is_final(model) ? words.duration(duration)
            : words.duration_so_far(duration));
        this._picture.prev('h4').addBack().toggle(this._cells.length > 0);
        if (this._cells.length) {
            var end = words.is_final(model) && model.completed_at !== null ? model.completed_at : now;
            this._timeline.draw(this._cells, model.started_at, Math.max(end, model.started_at));
        }
        this._draw_note(model);
    };

    DetailView.prototype._draw_note = function (model) {
        var text = '';
        if (!this._cells.length && !words.is_final(model)) {
            text = model.status === 'initializing'
                ? i18n.msg._("It waits for its turn, or for its kernel to start.") : i18n.msg._("Its kernel starts.");
        } else if (!this._cells.length && this._is_followed_to_end) {
            text = model.progress
                ? i18n.msg._("Its result cannot be read any more, so its cells cannot be shown.")
                : i18n.msg._("No cell was executed.");
        }
        this._note.text(text);
        this._error.find('button').first().toggle(this._cells.length > 0);
    };

    DetailView.prototype._tick = function () {
        if (this._id !== null && this._model && !words.is_final(this._model) && this._element.is(':visible')) {
            this.draw();
        }
    };

    // -- events and cells --------------------------------------------------------------------------------------------

    var number_of = function (event) {
        return parseInt(event.progress, 10);
    };

    var source_of = function (cell) {
        return text_of(cell.source);
    };

    /** A text of a notebook, which may be a list of its lines. */
    var text_of = function (text) {
        return Array.isArray(text) ? text.join('') : String(text === undefined ? '' : text);
    };

    /** When the cell began or ended; the event itself came a little later. */
    var time_of = function (event, name) {
        var noted = event.cell.metadata && event.cell.metadata.nbexec && event.cell.metadata.nbexec[name];
        return noted ? Date.parse(noted) / 1000 : event.timestamp;
    };

    /** The text of the last output, shortened. */
    var summary_of = function (outputs) {
        var text = '';
        (outputs || []).forEach(function (output) {
            if (output.output_type === 'stream') {
                text = text_of(output.text);
            } else if (output.output_type === 'error') {
                text = output.ename + ': ' + output.evalue;
            } else if (output.data && output.data['text/plain'] !== undefined) {
                text = text_of(output.data['text/plain']);
            }
        });
        text = text.trim();
        return text.length > SUMMARY ? text.slice(0, SUMMARY) + '…' : text;
    };

    return {DetailView: DetailView};
});
