/**
 * Draws one execution, with a heading and what can be done with it; the parts of the page are views of their own.
 */
define([
    'jquery', 'base/js/namespace', 'base/js/i18n', './texts', './execution_model', './parts', './facts_view',
    './report_view', './log_view', './runs_view', './command_view', './paced_drawing'
], function ($, Jupyter, i18n, texts, executionModel, parts, factsView, reportView, logView, runsView, commandView,
             pacedDrawing) {
    "use strict";

    var TICK = 250;

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
        this._drawing = new pacedDrawing.PacedDrawing(this._drawChanges.bind(this), 1);
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
        this._known = false;
        this._titleBefore = document.title;
        this._create();
        this._takeModel();
        this.draw();
        this._stop = this._client.follow(id, {outputs: true, onEvent: this._take.bind(this),
                                              onState: this._onState.bind(this)});
        (this._model ? this._title : this._loading).focus();
    };

    DetailView.prototype.close = function () {
        if (this._stop) {
            this._stop();
            this._report.close();
        }
        if (this._id !== null && document.title === this._pageTitle) {
            document.title = this._titleBefore;
        }
        this._stop = this._id = null;
        this._element.empty();
    };

    // -- what is drawn once ----------------------------------------------------------------------------------------

    DetailView.prototype._create = function () {
        var that = this;
        this._back = parts.button('btn-default btn-xs nbexec-back', i18n.msg._("All executions"), function () {
            that._onBack();
        }, 'fa-arrow-left');
        this._title = $('<h3>').attr('tabindex', -1);
        this._values = $('<p>').addClass('nbexec-values');
        this._label = $('<span>');
        this._progressText = $('<span>').addClass('nbexec-cell-number');
        this._progress = new parts.ProgressBar();
        this._buttons = $('<div>').addClass('nbexec-detail-buttons');
        this._error = parts.alertBox('danger', 'nbexec-alert');
        this._commands = $('<div>');
        this._commanded = null;
        var facts = $('<div>'), report = $('<div>'), log = $('<div>'), runs = $('<div>');
        this._facts = new factsView.FactsView(facts, this._actions);
        this._report = new reportView.ReportView(report, this._client);
        this._log = new logView.LogView(log);
        this._runs = new runsView.RunsView(runs, {list: this._list});
        this._status = parts.announcement();
        this._loading = $('<p>').addClass('nbexec-note').attr({role: 'status', tabindex: -1})
            .text(i18n.msg._("Loading…"));
        this._all = $('<div>').hide().append(
            $('<div>').addClass('nbexec-heading').append(
                $('<div>').append(
                    this._title, this._values,
                    $('<div>').append(this._label, ' ', this._progressText, this._progress.element)),
                this._buttons),
            this._error, facts, this._commands, report, log, runs);
        this._element.append(this._back, this._loading, this._all, this._status);
    };

    // -- the model -------------------------------------------------------------------------------------------------

    /** Bring what the model says up to date; soon, for events come in swarms. */
    DetailView.prototype.update = function () {
        this._isChanged = true;
        this._drawing.soon();
    };

    DetailView.prototype._takeModel = function () {
        if (this._id === null) {
            return;
        }
        var model = this._list.get(this._id);
        if (model) {
            this._known = true;
            this._setModel(model);
            this._runs.draw(model);
        } else if (this._known) {
            this._gone();
        }
    };

    DetailView.prototype._setModel = function (model) {
        var isAwaited = this._loading.is(document.activeElement);
        this._model = model;
        this._loading.hide();
        this._all.show();
        this._drawModel(model);
        if (isAwaited) {
            this._title.focus();
        }
    };

    DetailView.prototype._gone = function () {
        if (this._stop) {
            this._stop();
        }
        this._model = null;
        if (!this._back.is(document.activeElement) && $.contains(this._element[0], document.activeElement)) {
            this._back.focus();
        }
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
        parts.setText(this._progressText, running ? texts.cellOf(model) : '');
        this._progress.set(executionModel.percentOf(model), texts.cellOf(model));
        if (isNew) {
            this._progress.element.toggle(running);
            this._title.text(texts.nameOf(model.path));
            this._values.text(texts.parametersOf(model));
            this._pageTitle = document.title = texts.stateNames[state] + ': ' + [
                texts.nameOf(model.path), texts.parametersOf(model)].filter(Boolean).join(', ');
            parts.fillLabel(this._label, state);
            parts.redraw(this._buttons, this._drawButtons.bind(this, model));
            parts.redraw(this._error, this._drawError.bind(this, model));
        }
        this._report.draw(model.exec_id, executionModel.isFinal(model) && model.output_path !== null,
                          running && model.progress !== null);
        if (isNew || Boolean(model.parameters) !== this._hasParameters) {
            this._hasParameters = Boolean(model.parameters);
            this._facts.draw(model);
            this._drawCommands(model);
        }
    };

    DetailView.prototype._drawCommands = function (model) {
        var fields = Object.assign({notebook: model.path}, executionModel.valuesOf(model));
        if (JSON.stringify(fields) === this._commanded) {
            return;
        }
        this._commanded = JSON.stringify(fields);
        this._commands.empty().append(
            $('<details>').append($('<summary>').text(i18n.msg._("As a command")),
                                  commandView.boxOf(this._client.baseUrl, fields)));
    };

    DetailView.prototype._drawButtons = function (model) {
        var that = this, actions = this._actions;
        this._buttons.empty();
        var add = function (label, style, act) {
            parts.button('btn-sm ' + style, label, function () { act(this); }).appendTo(that._buttons);
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
        add(i18n.msg._("Run a table of values…"), 'btn-default', function (button) {
            actions.runTable(that._model, button);
        });
        add(i18n.msg._("Delete…"), 'btn-default', function (button) { actions.remove(that._model, button); });
    };

    DetailView.prototype._drawError = function (model) {
        var that = this, error = executionModel.stateOf(model) === 'failed' ? texts.errorLine(model) : '';
        this._error.toggle(Boolean(error)).empty();
        if (error) {
            this._error.append(
                $('<span>').text(texts.cellOf(model)
                    ? i18n.msg.sprintf(i18n.msg._("It failed in %s: %s"), texts.cellOf(model), error) : error), ' ',
                parts.button('btn-default btn-xs', i18n.msg._("Show cell"), function () {
                    that._log.showFailed();
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
        this._log.take(event);
        if (event.event === 'end') {
            this._report.refresh();
        }
        if (event.event === 'notebook_complete' || event.event === 'notebook_error') {
            this._facts.setFailedCells(event.failed_cells || []);
        }
        this._drawing.soon();
    };

    // -- drawing ---------------------------------------------------------------------------------------------------

    /** Draw what was heard of since the last time. */
    DetailView.prototype._drawChanges = function () {
        if (this._isChanged) {
            this._isChanged = false;
            this._takeModel();
        }
        this.draw();
    };

    /** Bring log, runs and times up to date. */
    DetailView.prototype.draw = function () {
        var model = this._model;
        if (this._id === null || !model) {
            return;
        }
        this._log.draw(model, this._client.now());
        var duration = this._list.durationOf(model);
        this._facts.setDuration(duration === null ? '' : executionModel.isFinal(model) ? texts.duration(duration)
            : texts.durationSoFar(duration));
        this._error.find('button').first().toggle(!this._log.isEmpty());
    };

    DetailView.prototype._tick = function () {
        if (this._id !== null && this._model && !executionModel.isFinal(this._model) && this._element.is(':visible')) {
            this.draw();
        }
    };

    return {DetailView: DetailView};
});
