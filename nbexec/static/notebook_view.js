/**
 * What nbexec adds to the notebook page: what starts a run, what leads back to it, and the mark at the running cell.
 */
define([
    'jquery', 'base/js/i18n', 'notebook/js/quickhelp', './execution_model', './parts', './form_view', './modal',
    './progress_view', './notebook_runs', './notebook_save', './cell_mark', './end_notice', './execution_address',
    './result_origin'
], function ($, i18n, quickhelp, executionModel, parts, formView, modal, progressView, notebookRuns, save, cellMark,
             endNotice, executionAddress, resultOrigin) {
    "use strict";

    var TEMPLATE = [
        '# nbexec: params',
        'name = "world"',
        'count = 3',
        'verbose = False',
        '',
        '# Optional: what the form says about them.',
        '{',
        '    "name": {"type": str, "desc": "Who to greet", "examples": ["world", "moon"]},',
        '    "count": {"type": int, "desc": "How many times"},',
        '    "verbose": {"type": bool, "desc": "Print more details"},',
        '}'
    ].join('\n');

    /**
     * @constructor
     * @param {Object} options
     * @param {Client} options.client
     * @param {Notebook} options.notebook - of the page, as all that follows
     * @param {ToolBar} options.toolbar
     * @param {jQuery} options.events
     */
    var NotebookView = function (options) {
        this._client = options.client;
        this._notebook = options.notebook;
        this._toolbar = options.toolbar;
        this._events = options.events;
        this._keyboardManager = options.notebook.keyboard_manager;
        this._run = null;  // the one that is shown
        this._mark = new cellMark.CellMark(this._notebook);
        this._panel = new progressView.ProgressView({
            notebook: this._notebook,
            onStop: this._confirmStop.bind(this),
            onAgain: this._runAgain.bind(this),
            onGoToCell: this._goToCell.bind(this),
            onChoose: this._choose.bind(this),
            onOpenResult: this._openResult.bind(this),
            addressOf: executionAddress.of.bind(null, this._client.baseUrl),
            onClose: this._closePanel.bind(this),
            onLeave: this._notebook.focus_cell.bind(this._notebook),
            onResize: this._makeRoom.bind(this)
        });
        this._notice = new endNotice.EndNotice(options.client, this._modelUnderWay.bind(this));
        this._runs = new notebookRuns.NotebookRuns(options.client, {
            notebook: this._notebook, onChange: this._draw.bind(this), onList: this._drawRuns.bind(this)});
    };

    NotebookView.prototype._modelUnderWay = function () {
        return this._run && !this._run.isOver ? this._run.model : null;
    };

    // -- what is added to the page -----------------------------------------------------------------------------------

    NotebookView.prototype.addControls = function () {
        var label = i18n.msg._("Run with parameters…");
        this._runAction = this._addAction('run-with-parameters', 'shift-r', {
            help: i18n.msg._("Run the notebook with parameters, in a kernel of its own"),
            help_index: 'hz', icon: 'fa-rocket', handler: this._runWithParameters.bind(this)
        });
        this._showAction = this._addAction('show-run-with-parameters', 'shift-e', {
            help: i18n.msg._("Show the last execution of this notebook"),
            help_index: 'hz', icon: 'fa-tasks', handler: this._goToPanel.bind(this)
        });
        this._addAction('stop-execution', 'shift-s', {
            help: i18n.msg._("Stop the execution that is shown"),
            help_index: 'hz', icon: 'fa-stop', handler: this._stopShown.bind(this)
        });
        this._toolbar.add_buttons_group([{action: this._runAction, label: label}], 'nbexec_buttons');
        this._addMenuItem(this._runAction, label, 'nbexec_run').before(
            $('<li>').addClass('divider').attr('role', 'none'));
        this._showItem = this._addMenuItem(this._showAction, i18n.msg._("Show execution"), 'nbexec_show')
            .addClass('disabled');
        this._addIndicator();
        $(window).resize(this._makeRoom.bind(this));
        this._events.on('resize-header.Page', this._makeRoom.bind(this));
        this._events.on('notebook_renamed.Notebook', this._runs.rememberName.bind(this._runs));
        if (window.ResizeObserver) {  // the header grows and shrinks with its messages, without a word
            var observer = new ResizeObserver(this._makeRoom.bind(this));
            observer.observe($('#header')[0]);
            observer.observe(this._panel.element[0]);
        }
    };

    /** Register an action with a key of the command mode; keys that somebody has chosen are theirs. */
    NotebookView.prototype._addAction = function (name, key, action) {
        var registered = this._keyboardManager.actions.register(action, name, 'nbexec');
        if (this._keyboardManager.command_shortcuts.is_available_shortcut(key)) {
            this._keyboardManager.command_shortcuts.add_shortcut(key, registered);
        }
        return registered;
    };

    NotebookView.prototype._addMenuItem = function (action, label, id) {
        var that = this, actions = this._keyboardManager.actions;
        var link = $('<a>').attr('href', '#').append($('<span>').addClass('action').text(label));
        var keys = this._keyboardManager.command_shortcuts.get_action_shortcut(action);
        if (keys) {
            link.addClass('menu-shortcut-container').append(
                $('<span>').addClass('kb').append(quickhelp.humanize_sequence(keys)));
        }
        return $('<li>').attr({id: id, title: actions.get(action).help}).append(link).click(function (event) {
            event.preventDefault();
            if (!$(this).hasClass('disabled')) {
                that._keyboardManager.actions.call(action, event);
            }
        }).appendTo('#kernel_menu');
    };

    /** A small button in the bar of the menus, which leads back to a closed panel. */
    NotebookView.prototype._addIndicator = function () {
        this._indicator = $('<button>').attr({type: 'button', id: 'nbexec_indicator'})
            .addClass('notification_widget btn btn-xs navbar-btn').hide()
            .click(this._openPanel.bind(this));
        $('#notification_area').prepend(this._indicator);
    };

    NotebookView.prototype._drawIndicator = function () {
        var run = this._run, summary = progressView.ProgressView.summary(run);
        var progress = run.total ? run.number + '/' + run.total : '';
        var kind = summary.kind === 'primary' || summary.kind === 'default' ? 'info' : summary.kind;
        this._indicator.toggle(!this._panel.isOpen).empty().append(
            parts.icon(summary.icon),
            document.createTextNode(' ' + (run.isOver ? summary.text : progress || summary.text))
        ).attr({
            title: i18n.msg._("Show execution"),
            'aria-label': i18n.msg.sprintf(i18n.msg._("Show execution: %1$s %2$s"), summary.text, progress)
        }).removeClass('info success warning danger').addClass(kind);
    };

    /** Let the page end where the panel begins, and the panel where the header ends. */
    NotebookView.prototype._makeRoom = function () {
        this._panel.element.css('max-height', Math.max(0, $(window).height() - $('#header').outerHeight()));
        var height = this._panel.height();
        $('#site').css('max-height', height ? $(window).height() - $('#header').outerHeight() - height : '');
    };

    // -- starting ----------------------------------------------------------------------------------------------------

    NotebookView.prototype._runWithParameters = function () {
        this._openForm({});
    };

    NotebookView.prototype._runAgain = function (run) {
        this._openForm(executionModel.valuesOf(run.model), run.id);
    };

    NotebookView.prototype._openForm = function (values, origin) {
        var notebook = this._notebook;
        formView.FormView.open({
            client: this._client,
            path: notebook.notebook_path,
            values: values,
            origin: origin,
            note: !notebook.writable && notebook.dirty ? i18n.msg._(
                "This notebook cannot be saved here. The version on the server is run, without your changes.") : '',
            isUnsaved: function () { return notebook.writable && notebook.dirty; },
            save: save.bind(null, notebook, this._events),
            onStarted: this._showStarted.bind(this),
            insertTemplate: this._notebook.writable ? this._insertTemplate.bind(this) : null,
            notebook: this._notebook,
            keyboard_manager: this._keyboardManager
        });
    };

    /** Put a parameter cell above the first code cell, with the cursor in it. */
    NotebookView.prototype._insertTemplate = function () {
        var cells = this._notebook.get_cells(), index = 0;
        while (index < cells.length && cells[index].cell_type !== 'code') {
            index += 1;
        }
        var cell = this._notebook.insert_cell_at_index('code', index);
        cell.set_text(TEMPLATE);
        this._notebook.select(index);
        this._notebook.scroll_to_cell(index);
        this._notebook.edit_mode();
    };

    NotebookView.prototype._showStarted = function (model) {
        this._choose(this._runs.add(model).id);
        this._openPanel();
        this._panel.announce(i18n.msg._("The execution has started."));
        this._runs.askExpected();
    };

    // -- runs --------------------------------------------------------------------------------------------------------

    /** Find the runs of this notebook that are under way; called when the page is loaded. */
    NotebookView.prototype.findRuns = function () {
        var that = this;
        resultOrigin.show(this._client, this._notebook, $('#notification_area'));
        return this._runs.find().then(function (newest) {
            if (newest && !that._run) {
                that._choose(newest.id);
                that._openPanel();
            }
        }).catch(function (error) {
            // Who only reads a notebook is not to be bothered; who runs one is told then.
            console.log('nbexec: the list of executions could not be loaded: ' + error.message);
        });
    };

    /** Show the run with this id. */
    NotebookView.prototype._choose = function (id) {
        this._runs.follow(id);
        this._run = this._runs.followed;
        this._lastState = null;
        this._showItem.removeClass('disabled');
        this._panel.show(this._run, this._runs.all);
        this._draw(this._run);
    };

    NotebookView.prototype._confirmStop = function (run) {
        modal.askToStop(run.model, {act: this._stop.bind(this, run), page: this._page()});
    };

    NotebookView.prototype._stop = function (run) {
        var that = this;
        run.stop().catch(function (error) {
            that._tell(i18n.msg._("The execution could not be stopped"), error.message);
        });
    };

    NotebookView.prototype._openResult = function (path, url) {
        var page = this._page();
        this._client.exists(path).then(function (isThere) {
            if (isThere) {
                window.open(url, '_blank');
            } else {
                modal.tellResultGone(path, {page: page});
            }
        });
    };

    NotebookView.prototype._tell = function (title, message) {
        modal.tell({title: title, message: message, page: this._page()});
    };

    /** What dialogs need of the page. */
    NotebookView.prototype._page = function () {
        return {notebook: this._notebook, keyboard_manager: this._keyboardManager};
    };

    // -- drawing -----------------------------------------------------------------------------------------------------

    NotebookView.prototype._openPanel = function () {
        if (!this._run) {
            return;
        }
        this._panel.open();
        this._drawIndicator();
    };

    NotebookView.prototype._goToPanel = function () {
        this._openPanel();
        if (this._run) {
            this._panel.focus();
        }
    };

    NotebookView.prototype._stopShown = function () {
        if (this._run && !this._run.isOver) {
            this._confirmStop(this._run);
        }
    };

    NotebookView.prototype._closePanel = function () {
        this._panel.close();
        this._drawIndicator();
        if (this._run.isOver) {
            this._mark.clear();
        }
        this._notebook.focus_cell();
    };

    NotebookView.prototype._draw = function (run) {
        if (run !== this._run) {
            return;
        }
        this._panel.draw();
        this._drawIndicator();
        this._mark.show(run);
        var state = progressView.ProgressView.summary(run).text;
        if (run.isOver && this._lastState !== null && state !== this._lastState) {
            this._panel.announce(i18n.msg.sprintf(i18n.msg._("The execution has ended: %s"), state));
            this._notice.tell(run.model);
        }
        this._lastState = state;
    };

    NotebookView.prototype._drawRuns = function () {
        this._panel.setRuns(this._runs.all);
    };

    NotebookView.prototype._goToCell = function (run) {
        if (!this._mark.goTo(run)) {
            this._panel.announce(i18n.msg._("This cell is not in the notebook."));
        }
    };

    return {NotebookView: NotebookView};
});
