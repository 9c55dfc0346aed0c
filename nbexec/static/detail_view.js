/**
 * Draws one execution: what it was given, when it ran, its cells along the time, and each with its source and output.
 */
define([
    'jquery', 'base/js/namespace', 'base/js/i18n', './texts', './execution_model', './parts', './timeline_view',
    './cell_view', './facts_view', './report_view'
], function ($, Jupyter, i18n, texts, executionModel, parts, timelineView, cellView, factsView, reportView) {
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
     * @param {function()} options.onBack - called when the list is asked for
     */
    var DetailView = function (element, options) {
        this._element = element;
        this._client = options.client;
        this._list = options.list;
        this._actions = options.actions;
        this._onBack = options.onBack;
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
        this._model = null;
        this._cells = [];
        this._views = {};
        this._isFollowedToEnd = false;
        this._known = false;
        this._create();
        this.update();
        this._stop = this._client.follow(id, {outputs: true, onEvent: this._take.bind(this),
                                              onState: this._onState.bind(this)});
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
        var back = parts.button('btn-default btn-xs nbexec-back', i18n.msg._("All executions"), function () {
            that._onBack();
        }, 'fa-arrow-left');
        this._title = $('<h3>').attr('tabindex', -1);
        this._label = $('<span>');
        this._progressText = $('<span>').addClass('nbexec-cell-number');
        this._progress = new parts.ProgressBar();
        this._buttons = $('<div>').addClass('nbexec-detail-buttons');
        this._error = parts.alertBox('danger', 'nbexec-alert');
        var facts = $('<div>'), report = $('<div>');
        this._facts = new factsView.FactsView(facts, this._actions);
        this._report = new reportView.ReportView(report, this._client);
        this._picture = $('<div>');
        this._note = $('<p>').addClass('nbexec-note');
        this._cellList = $('<div>').addClass('nbexec-cells');
        this._status = parts.announcement();
        this._loading = $('<p>').addClass('nbexec-note').attr('role', 'status').text(i18n.msg._("Loading…"));
        this._all = $('<div>').hide().append(
            $('<div>').addClass('nbexec-heading').append(
                $('<div>').append(
                    this._title,
                    $('<div>').append(this._label, ' ', this._progressText, this._progress.element)),
                this._buttons),
            this._error, facts, report,
            $('<h4>').text(i18n.msg._("Timeline")), this._picture, this._note,
            this._cellList);
        this._element.append(back, this._loading, this._all, this._status);
        this._timeline = new timelineView.TimelineView(this._picture, {onSelect: function (cell) {
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
            this._setModel(model);
        } else if (this._known) {
            this._gone();
        }
        this.draw();
    };

    DetailView.prototype._setModel = function (model) {
        this._model = model;
        this._loading.hide();
        this._all.show();
        this._drawModel(model);
    };

    DetailView.prototype._gone = function () {
        if (this._stop) {
            this._stop();
        }
        this._model = null;
        this._loading.hide();
        this._all.show().empty().append($('<div>').addClass('nbexec-empty').attr('role', 'alert').text(
            i18n.msg._("This execution no longer exists. It was deleted, or the server was restarted.")));
    };

    DetailView.prototype._drawModel = function (model) {
        var state = executionModel.stateOf(model), running = model.status === 'executing';
        if (this._state !== undefined && this._state !== state && this._said === model.exec_id) {
            this._status.text(texts.nameOf(model.path) + ': ' + texts.stateNames[state]);
        }
        var isNew = this._said !== model.exec_id || this._state !== state || !this._title.text();
        this._state = state;
        this._said = model.exec_id;
        this._progressText.text(running ? texts.cellOf(model) : '');
        this._progress.element.toggle(running);
        this._progress.set(executionModel.percentOf(model), texts.cellOf(model));
        if (isNew) {
            this._title.text(texts.nameOf(model.path));
            parts.fillLabel(this._label, state);
            this._drawButtons(model);
            this._drawError(model);
        }
        if (isNew || Boolean(model.parameters) !== this._hasParameters) {
            this._hasParameters = Boolean(model.parameters);
            this._facts.draw(model);
            this._report.draw(model.exec_id, executionModel.isFinal(model) && model.output_path !== null);
        }
    };

    DetailView.prototype._drawButtons = function (model) {
        var that = this, actions = this._actions, focused = $(document.activeElement).data('nbexec-name');
        this._buttons.empty();
        var add = function (label, style, act) {
            parts.button('btn-sm ' + style, label, function () { act(this); }).data('nbexec-name', label)
                .appendTo(that._buttons);
        };
        var link = function (label, style, path) {
            $('<a>').addClass('btn btn-sm ' + style).attr({href: actions.urlOf(path), target: Jupyter._target}).text(label)
                .appendTo(that._buttons);
        };
        if (!executionModel.isFinal(model)) {
            add(i18n.msg._("Stop"), 'btn-warning', function (button) { actions.stop(model, button); });
        } else if (model.output_path) {
            actions.resultLink(model.output_path, i18n.msg._("Open result")).addClass('btn btn-sm btn-primary')
                .appendTo(that._buttons);
        }
        link(i18n.msg._("Open notebook"), 'btn-default', model.path);
        add(i18n.msg._("Run again"), 'btn-default', function (button) { actions.again(that._model, button); });
        add(i18n.msg._("Run again with changes…"), 'btn-default', function (button) {
            actions.change(that._model, button);
        });
        add(i18n.msg._("Delete…"), 'btn-default', function (button) { actions.remove(that._model, button); });
        this._buttons.children().filter(function () {
            return focused && $(this).data('nbexec-name') === focused;
        }).focus();
    };

    DetailView.prototype._drawError = function (model) {
        var that = this, error = executionModel.stateOf(model) === 'failed' ? texts.errorLine(model) : '';
        this._error.toggle(Boolean(error)).empty();
        if (error) {
            this._error.append(
                $('<span>').text(texts.cellOf(model)
                    ? i18n.msg.sprintf(i18n.msg._("It failed in %s: %s"), texts.cellOf(model), error) : error), ' ',
                parts.button('btn-default btn-xs', i18n.msg._("Show cell"), function () {
                    that._views[that._cells[that._cells.length - 1].number].show();
                }), ' ',
                parts.button('btn-default btn-xs', i18n.msg._("Show error"), function () {
                    that._actions.showError(model, this);
                }));
        }
    };

    // -- the events ------------------------------------------------------------------------------------------------

    DetailView.prototype._onState = function (state) {
        if (state === 'gone') {
            this._gone();
        }
    };

    DetailView.prototype._take = function (event) {
        if (event.execution && !this._list.get(this._id)) {
            this._setModel(event.execution);  // the list is still on its way
        }
        if (event.warnings) {
            this._facts.setWarnings(event.warnings);
        }
        if (event.event === 'start') {
            this._startCell(event);
        } else if (event.event === 'output') {
            var view = this._views[numberOf(event)];
            if (view) {
                view.takeOutput(event);
            }
        } else if (event.event === 'end') {
            this._endCell(event);
        } else if (event.event === 'notebook_complete' || event.event === 'notebook_error') {
            this._isFollowedToEnd = true;
            this._end(event);
        }
        this._drawSoon();
    };

    DetailView.prototype._startCell = function (event) {
        var before = this._cells[this._cells.length - 1];
        if (before) {
            this._views[before.number].closeIfForNow();
        }
        var cell = {number: numberOf(event), source: texts.joined(event.cell.source), state: 'running',
                    begin: timeOf(event, 'start_time'), end: null, outputs: null};
        this._cells.push(cell);
        this._views[cell.number] = new cellView.CellView(this._cellList, cell);
    };

    DetailView.prototype._endCell = function (event) {
        var cell = this._cells[this._cells.length - 1];
        if (!cell || cell.number !== numberOf(event)) {
            return;
        }
        cell.state = 'done';
        cell.end = timeOf(event, 'end_time');
        cell.outputs = event.cell.outputs || [];
        cell.summary = summaryOf(cell.outputs);
        this._views[cell.number].end();
    };

    /** The execution has ended: the last cell is where it failed or was stopped, also if its `end` came before. */
    DetailView.prototype._end = function (event) {
        var cell = this._cells[this._cells.length - 1];
        this._facts.setFailedCells(event.failed_cells || []);
        if (event.event === 'notebook_error' && cell) {
            var stopped = event.execution && executionModel.stateOf(event.execution) === 'stopped';
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

    DetailView.prototype._drawSoon = function () {
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
        if (this._drawnId !== this._id) {
            this._drawnId = this._id;
            this._drawnCells = 0;
        }
        // Only the last one drawn, and those after it, can have changed.
        this._cells.slice(Math.max(this._drawnCells - 1, 0)).forEach(function (cell) {
            views[cell.number].draw(now);
            // While past events come in, a cell looks as if it ran until its end comes, too.
            var runs = cell.state === 'running' && !executionModel.isFinal(model);
            if (runs && parseInt(model.progress, 10) === cell.number && now - cell.begin > LONG && !cell.wasOpened) {
                cell.wasOpened = true;
                views[cell.number].openForNow();
            }
        });
        this._drawnCells = this._cells.length;
        var duration = this._list.durationOf(model);
        this._facts.setDuration(duration === null ? '' : executionModel.isFinal(model) ? texts.duration(duration)
            : texts.durationSoFar(duration));
        this._picture.prev('h4').addBack().toggle(this._cells.length > 0);
        if (this._cells.length) {
            var end = executionModel.isFinal(model) && model.completed_at !== null ? model.completed_at : now;
            this._timeline.draw(this._cells, model.started_at, Math.max(end, model.started_at));
        }
        this._drawNote(model);
    };

    DetailView.prototype._drawNote = function (model) {
        var text = '';
        if (!this._cells.length && model.progress && !this._isFollowedToEnd) {
            text = i18n.msg._("Loading the cells…");
        } else if (!this._cells.length && !executionModel.isFinal(model)) {
            text = model.status === 'initializing'
                ? i18n.msg._("Waiting for its turn or for its kernel.") : i18n.msg._("The kernel is starting.");
        } else if (!this._cells.length && this._isFollowedToEnd) {
            text = model.progress
                ? i18n.msg._("The cells cannot be shown: the result can no longer be read.")
                : i18n.msg._("No cell was run.");
        }
        this._note.text(text);
        this._error.find('button').first().toggle(this._cells.length > 0);
    };

    DetailView.prototype._tick = function () {
        if (this._id !== null && this._model && !executionModel.isFinal(this._model) && this._element.is(':visible')) {
            this.draw();
        }
    };

    // -- events and cells --------------------------------------------------------------------------------------------

    var numberOf = function (event) {
        return parseInt(event.progress, 10);
    };

    /** When the cell began or ended; the event itself came a little later. */
    var timeOf = function (event, name) {
        var noted = event.cell.metadata && event.cell.metadata.nbexec && event.cell.metadata.nbexec[name];
        return noted ? Date.parse(noted) / 1000 : event.timestamp;
    };

    /** The text of the last output, shortened. */
    var summaryOf = function (outputs) {
        var text = '';
        outputs.forEach(function (output) {
            if (output.output_type === 'stream') {
                text = texts.joined(output.text);
            } else if (output.output_type === 'error') {
                text = output.ename + ': ' + output.evalue;
            } else if (output.data && output.data['text/plain'] !== undefined) {
                text = texts.joined(output.data['text/plain']);
            }
        });
        text = text.trim();
        return text.length > SUMMARY ? text.slice(0, SUMMARY) + '…' : text;
    };

    return {DetailView: DetailView};
});
