/**
 * Draws the panel below the notebook that shows how far an execution is.
 *
 * It says what it is asked for by the callbacks it is given, and asks the server for nothing.
 */
define([
    'jquery', 'base/js/i18n', 'base/js/utils', './output_view', './texts', './execution_model', './parts', './end_notice'
], function ($, i18n, utils, outputView, texts, executionModel, parts, endNotice) {
    "use strict";

    var TICK = 1000;

    /**
     * @constructor
     * @param {Object} options
     * @param {Notebook} options.notebook - of the page
     * @param {function(FollowedRun)} options.onStop, options.onAgain, options.onGoToCell
     * @param {function(string, string)} options.onOpenResult - called with path and URL of the result
     * @param {function(string)} options.onChoose - called with the id of another run
     * @param {function(string): string} options.addressOf - the address of the page of an execution, from its id
     * @param {function()} options.onClose
     * @param {function()} options.onLeave - called when the keys are to go back to the notebook
     * @param {function()} options.onResize - called when the panel takes more or less of the page
     */
    var ProgressView = function (options) {
        this._options = options;
        this._run = null;
        this._runs = [];
        this._drawn = {};  // what is on the screen of the run
        this._make();
    };

    // -- the parts ---------------------------------------------------------------------------------------------------

    ProgressView.prototype._make = function () {
        var that = this, call = function (name) {
            return function () { that._options[name](that._run); };
        };
        this._state = $('<span>').addClass('label nbexec-state');
        this._chooser = $('<select>').addClass('form-control input-sm nbexec-runs')
            .attr('aria-label', i18n.msg._("Executions of this notebook"))
            .change(function () { that._options.onChoose(that._chooser.val()); });
        this._params = $('<span>').addClass('nbexec-params');
        this._stopButton = parts.button('btn-xs btn-default nbexec-stop', i18n.msg._("Stop"), call('onStop'), 'fa-stop');
        this._noticeButton = parts.button('btn-xs btn-default nbexec-notify', i18n.msg._("Notify me"), function () {
            endNotice.EndNotice.ask().then(function () { that.draw(); });
        }, 'fa-bell-o').attr('title', i18n.msg._(
            "Show a browser notification when an execution ends while you are looking elsewhere"));
        this._againButton = parts.button('btn-xs btn-default nbexec-again', i18n.msg._("Run again with changes…"),
                                         call('onAgain'), 'fa-repeat');
        this._result = $('<a>').addClass('btn btn-xs btn-primary nbexec-result')
            .attr({target: '_blank', rel: 'noopener'})
            .append(parts.icon('fa-external-link'), ' ', $('<span>').text(i18n.msg._("Open result")))
            .click(function (event) {
                event.preventDefault();
                that._options.onOpenResult(that._run.model.output_path, this.href);
            });
        this._details = $('<a>').addClass('btn btn-xs btn-default nbexec-details-link')
            .attr({target: '_blank', rel: 'noopener'}).text(i18n.msg._("Details"));
        this._closeButton = $('<button>').attr({
            type: 'button'
        }).addClass('close nbexec-close').text('×').click(this._options.onClose);
        this._progress = new parts.ProgressBar();
        this._count = $('<span>').addClass('nbexec-count');
        this._time = $('<span>').addClass('nbexec-time');
        this._kernel = $('<span>').addClass('nbexec-kernel');
        this._problem = parts.alertBox('warning', 'nbexec-problem').attr('role', 'alert');
        this._warnings = parts.alertBox('warning', 'nbexec-warnings');
        this._error = parts.alertBox('danger', 'nbexec-failure');
        this._cellTitle = $('<h5>');
        this._cellButton = parts.button('btn-xs btn-default nbexec-go', i18n.msg._("Go to cell"), call('onGoToCell'),
                                        'fa-crosshairs');
        this._source = $('<pre>').attr({tabindex: 0, 'aria-label': i18n.msg._("Source of the cell")});
        this._outputBox = $('<div>').addClass('nbexec-output').attr({
            tabindex: 0, role: 'region', 'aria-label': i18n.msg._("Output of the cell")
        });
        this._announcement = parts.announcement();
        this.element = $('<div>').attr({
            id: 'nbexec-panel', role: 'region', 'aria-label': i18n.msg._("Execution")
        }).addClass('nbexec-panel').hide().append(
            $('<div>').addClass('nbexec-header').append(
                this._state, this._chooser, this._params,
                $('<span>').addClass('nbexec-buttons').append(
                    this._noticeButton, this._stopButton, this._againButton, this._details, this._result,
                    this._closeButton)),
            $('<div>').addClass('nbexec-progress').append(
                this._progress.element, this._count, this._time, this._kernel),
            this._problem, this._warnings, this._error,
            $('<div>').addClass('nbexec-cell').append(
                $('<div>').addClass('nbexec-source').append(
                    $('<div>').addClass('nbexec-cell-header').append(this._cellTitle, this._cellButton), this._source),
                this._outputBox),
            this._announcement);
        // The keys of the notebook are not those of the panel.
        this._options.notebook.keyboard_manager.register_events(this.element);
        this.element.keydown(function (event) {
            if (event.key === 'Escape') {
                that._options.onLeave();
            }
        });
        $('body').append(this.element);
        this._output = new outputView.OutputView(this._outputBox, this._options.notebook);
    };

    // -- opening and closing -----------------------------------------------------------------------------------------

    Object.defineProperty(ProgressView.prototype, 'isOpen', {get: function () {
        return this.element.is(':visible');
    }});

    /** Height that it takes of the page. */
    ProgressView.prototype.height = function () {
        return this.isOpen ? this.element.outerHeight() : 0;
    };

    ProgressView.prototype.open = function () {
        var that = this;
        this.element.show();
        clearInterval(this._ticking);
        this._ticking = setInterval(function () { that._drawTime(); }, TICK);
        this.draw();
        this._options.onResize();
    };

    ProgressView.prototype.close = function () {
        this.element.hide();
        clearInterval(this._ticking);
        this._options.onResize();
    };

    /** Show another run; `runs` are all that can be chosen. */
    ProgressView.prototype.show = function (run, runs) {
        this._run = run;
        this._runs = runs;
        this._drawn = {};
        this.draw();
    };

    /** Offer others to choose from. */
    ProgressView.prototype.setRuns = function (runs) {
        this._runs = runs;
        this.draw();
    };

    /** Bring the keys of the user to the panel. */
    ProgressView.prototype.focus = function () {
        this.element.find('.nbexec-buttons > :visible').not(':disabled').first().focus();
    };

    /** Tell something to those who do not see the panel. */
    ProgressView.prototype.announce = function (text) {
        this._announcement.text(text);
    };

    // -- drawing -----------------------------------------------------------------------------------------------------

    ProgressView.prototype.draw = function () {
        if (!this._run || !this.isOpen) {
            return;
        }
        this._drawHeader();
        this._drawProgress();
        this._drawTime();
        this._drawProblem();
        this._drawError();
        this._warnings.text(this._run.warnings.join(' ')).toggle(this._run.warnings.length > 0);
        this._drawCell();
        this._drawOutput();
        var height = this.height();
        if (height !== this._drawn.height) {
            this._drawn.height = height;
            this._options.onResize();
        }
    };

    /** How a run is, in a word, with the classes of Bootstrap and Font Awesome that go with it. */
    ProgressView.summary = function (run) {
        if (run.state === 'gone') {
            return {text: i18n.msg._("Unknown"), kind: 'warning', icon: 'fa-question'};
        }
        if (run.isStopping && !run.isOver) {
            return {text: i18n.msg._("Stopping…"), kind: 'warning', icon: 'fa-stop'};
        }
        return parts.summaryOf(executionModel.stateOf(run.model));
    };

    ProgressView.prototype._drawHeader = function () {
        var run = this._run, summary = ProgressView.summary(run);
        this._state.attr('class', 'label nbexec-state label-' + summary.kind)
            .empty().append(parts.icon(summary.icon), ' ', $('<span>').text(summary.text));
        this._drawChooser();
        this._params.text(texts.parametersOf(run.model)).attr('title', texts.parametersOf(run.model));
        this._kernel.text(run.model.kernel ? i18n.msg.sprintf(i18n.msg._("kernel %s"), run.model.kernel) : '');
        this._noticeButton.toggle(!run.isOver && endNotice.EndNotice.canAsk());
        this._stopButton.toggle(!run.isOver).prop('disabled', run.isStopping);
        this._againButton.toggle(run.isOver);
        var output_path = run.isOver && run.state !== 'gone' ? run.model.output_path : null;
        this._result.toggle(output_path !== null).attr({title: output_path, href: output_path && utils.url_path_join(
            this._options.notebook.base_url, 'notebooks', utils.encode_uri_components(output_path))});
        this._details.attr('href', this._options.addressOf(run.id)).toggle(run.state !== 'gone');
        this._keepFocus();
        var label = run.isOver ? i18n.msg._("Close the panel") : i18n.msg._("Close the panel; the execution continues");
        this._closeButton.attr({'aria-label': label, title: label});
    };

    /** Buttons go when an execution ends; the one that had the focus passes it on. */
    ProgressView.prototype._keepFocus = function () {
        if (this.element.find(document.activeElement).is('.nbexec-buttons > :hidden, .nbexec-buttons > :disabled')) {
            this.focus();
        }
    };

    ProgressView.prototype._drawChooser = function () {
        var names = this._runs.map(function (run) {
            var started = run.model.started_at;
            var time = started === null ? '' : texts.timeOf(started) + ' ';
            return {id: run.id, text: time + ProgressView.summary(run).text};
        });
        var content = JSON.stringify(names);
        this._chooser.toggle(names.length > 1);
        if (content !== this._drawn.names) {
            this._drawn.names = content;
            this._chooser.empty().append(names.map(function (name) {
                return $('<option>').val(name.id).text(name.text);
            }));
        }
        this._chooser.val(this._run.id);
    };

    ProgressView.prototype._drawProgress = function () {
        var run = this._run, done = run.isCellRunning ? run.number - 1 : run.number;
        var hasEnded = run.model.status === 'completed', kind = ProgressView.summary(run).kind;
        var share = hasEnded ? 1 : run.total ? done / run.total : 0;
        var count = run.total ? i18n.msg.sprintf(i18n.msg._("cell %1$s of %2$s"), run.number, run.total) : '';
        this._count.text(count);
        this._progress.set(Math.floor(share * 100), count || i18n.msg._("not started yet"));
        this._progress.bar.toggleClass('progress-bar-success', hasEnded)
            .toggleClass('progress-bar-danger', kind === 'danger')
            .toggleClass('progress-bar-warning', run.isOver && kind === 'warning')
            .toggleClass('progress-bar-striped active', !run.isOver);
    };

    ProgressView.prototype._drawTime = function () {
        var run = this._run;
        if (!run || run.state === 'gone') {
            return;
        }
        if (run.isOver) {
            this._time.text(i18n.msg.sprintf(i18n.msg._("took %s"), texts.duration(run.elapsed())));
        } else if (run.expected === null) {
            this._time.text(texts.durationSoFar(run.elapsed()));
        } else {
            this._time.text(i18n.msg.sprintf(i18n.msg._("%1$s, last time it took %2$s"),
                                            texts.durationSoFar(run.elapsed()), texts.duration(run.expected)));
        }
    };

    ProgressView.prototype._drawProblem = function () {
        var run = this._run, text = '';
        if (run.state === 'lost' && !run.isOver) {
            text = i18n.msg.sprintf(i18n.msg._("%s As long as the server is running, the execution continues without this "
                                               + "page. The page keeps trying to reconnect."), run.problem.message);
        } else if (run.state === 'unauthorized') {
            text = i18n.msg._("You are no longer logged in to this server. The execution continues; log in again to "
                              + "follow it.");
        } else if (run.state === 'gone') {
            text = i18n.msg._("The server no longer knows this execution: it was deleted, or the server was restarted. "
                              + "Output so far is kept in a result beside the notebook.");
        }
        if (text === this._drawn.problem) {
            return;
        }
        this._drawn.problem = text;
        this._problem.empty().append($('<span>').text(text)).toggle(text !== '');
        if (run.state === 'unauthorized') {
            this._problem.append(' ', parts.loginLink(this._options.notebook.base_url).addClass('alert-link'));
        }
    };

    ProgressView.prototype._drawError = function () {
        var event = this._run.error, text = '';
        if (event && event.ename) {
            text = i18n.msg.sprintf(i18n.msg._("Cell %1$s of %2$s failed with %3$s"), this._run.number, this._run.total,
                                    event.ename + (event.evalue ? ': ' + firstLine(event.evalue) : ''));
        } else if (event && executionModel.stateOf(this._run.model) !== 'stopped') {
            text = event.error || this._run.model.status;
        }
        if (text !== this._drawn.error) {
            this._drawn.error = text;
            this._error.text(text).toggle(text !== '').attr('title', text);
        }
    };

    var firstLine = function (text) {
        var end = text.indexOf('\n');
        return end === -1 ? text : text.slice(0, end) + ' …';
    };

    ProgressView.prototype._drawCell = function () {
        var run = this._run, cell = run.cell;
        if (cell === this._drawn.cell && run.isCellRunning === this._drawn.isCellRunning && !run.isOver) {
            return;
        }
        this._drawn.cell = cell;
        this._drawn.isCellRunning = run.isCellRunning;
        this._cellTitle.text(!cell ? i18n.msg._("No cell has started yet")
            : run.isCellRunning ? i18n.msg._("Running cell")
            : run.error && run.error.ename ? i18n.msg._("Failed cell") : i18n.msg._("Last cell"));
        this._cellButton.toggle(Boolean(cell));
        var text = cell ? texts.joined(cell.source) : '';
        if (this._source.text() !== text) {
            this._source.text(text).scrollTop(0);
        }
    };

    ProgressView.prototype._drawOutput = function () {
        var run = this._run;
        this._output.show(run.outputs, true);
        this._outputBox.toggleClass('nbexec-empty', run.outputs.length === 0)
            .attr('data-empty', run.isCellRunning ? i18n.msg._("No output yet.") : i18n.msg._("No output."));
    };

    return {ProgressView: ProgressView};
});
