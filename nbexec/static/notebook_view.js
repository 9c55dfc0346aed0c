/**
 * What nbexec adds to the notebook page: what starts a run, what leads back to it, and the mark at the running cell.
 */
define([
    'jquery', 'base/js/i18n', 'notebook/js/quickhelp', './texts', './execution_model', './parts', './followed_run',
    './form_view', './modal', './progress_view', './execution_list', './renamed_notebooks'
], function ($, i18n, quickhelp, texts, executionModel, parts, followedRun, formView, modal, progressView, executionList,
             renamedNotebooks) {
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
        this._runs = [];  // newest first
        this._run = null;  // the one that is shown
        this._marked = null;
        this._panel = new progressView.ProgressView({
            notebook: this._notebook,
            onStop: this._confirmStop.bind(this),
            onAgain: this._runAgain.bind(this),
            onGoToCell: this._goToCell.bind(this),
            onChoose: this._choose.bind(this),
            onOpenResult: this._openResult.bind(this),
            onClose: this._closePanel.bind(this),
            onLeave: this._notebook.focus_cell.bind(this._notebook),
            onResize: this._makeRoom.bind(this)
        });
        this._list = new executionList.ExecutionList(options.client, {
            onChange: this._takeChanges.bind(this), onState: $.noop});
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
        this._events.on('notebook_renamed.Notebook', this._rememberName.bind(this));
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

    /**
     * Save the notebook; resolves to whether it was. Notebook asks first if somebody else has changed the file, and says
     * nothing of what it was told.
     */
    NotebookView.prototype._save = function () {
        var notebook = this._notebook, events = this._events;
        return new Promise(function (resolve, reject) {
            var end = function (act) {
                return function (event, value) {
                    events.off('notebook_saved.Notebook', saved).off('notebook_save_failed.Notebook', failed);
                    act(value);
                };
            };
            var saved = end(function () { resolve(true); }), failed = end(function (error) { reject(problemOf(error)); });
            events.on('notebook_saved.Notebook', saved).on('notebook_save_failed.Notebook', failed);
            notebook.save_notebook().then(function () {
                var question = notebook._changed_on_disk_dialog, isConfirmed = false;
                if (question && question.data('bs.modal').isShown) {
                    question.find('.save-confirm-btn').one('click', function () { isConfirmed = true; });
                    question.one('hidden.bs.modal', end(function () {
                        if (!isConfirmed) {
                            resolve(false);
                        }
                    }));
                }
            }, function (error) { failed(null, error); });
        });
    };

    /** What the client would say of an error that notebook met. */
    var problemOf = function (error) {
        var isLost = Boolean(error && error.xhr && error.xhr.status === 0);
        return {status: 0, field: null, message: i18n.msg.sprintf(
            i18n.msg._("The notebook could not be saved, and was not run: %s"),
            isLost ? i18n.msg._("The server cannot be reached.") : error && error.message || '')};
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
            save: this._save.bind(this),
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
        this._choose(this._addRun(model).id);
        this._openPanel();
        this._panel.announce(i18n.msg._("The execution has started."));
        this._askExpected();
    };

    // -- runs --------------------------------------------------------------------------------------------------------

    /** Find the runs of this notebook that are under way; called when the page is loaded. */
    NotebookView.prototype.findRuns = function () {
        var that = this;
        return this._client.list().then(function (models) {
            models.filter(that._isRunning, that).sort(function (one, other) {
                return one.started_at - other.started_at;
            }).forEach(that._addRun, that);
            if (that._runs.length && !that._run) {
                that._setExpected(models);
                that._choose(that._runs[0].id);
                that._openPanel();
            }
        }).catch(function (error) {
            // Who only reads a notebook is not to be bothered; who runs one is told then.
            console.log('nbexec: the list of executions could not be loaded: ' + error.message);
        });
    };

    NotebookView.prototype._isOfNotebook = function (model) {
        return renamedNotebooks.isOf(model, this._notebook.notebook_path);
    };

    NotebookView.prototype._isRunning = function (model) {
        return model.completed_at === null && this._isOfNotebook(model);
    };

    NotebookView.prototype._rememberName = function () {
        renamedNotebooks.remember(this._runs.map(function (run) { return run.id; }), this._notebook.notebook_path);
    };

    /** Bring the runs up to date with the executions of these ids, or with all. */
    NotebookView.prototype._takeChanges = function (ids) {
        var list = this._list;
        var models = (ids ? ids.map(list.get, list).filter(Boolean) : list.all()).reverse();
        models.filter(this._isRunning, this).forEach(this._addRun, this);
        models.forEach(function (model) {
            this._runs.forEach(function (run) {
                if (run.id === model.exec_id) {
                    run.update(model);
                }
            });
        }, this);
        this._runs = this._runs.filter(function (run) { return run === this._run || list.get(run.id); }, this);
        this._panel.setRuns(this._runs);
    };

    NotebookView.prototype._addRun = function (model) {
        var known = this._runs.filter(function (run) { return run.id === model.exec_id; })[0];
        if (!known) {
            known = new followedRun.FollowedRun(this._client, model, this._draw.bind(this));
            this._runs.unshift(known);
        }
        return known;
    };

    /** Follow the run with this id, and no other: browsers have few connections. */
    NotebookView.prototype._choose = function (id) {
        if (this._run && this._run.id !== id) {
            this._run.unfollow();
        }
        this._run = this._runs.filter(function (run) { return run.id === id; })[0];
        this._lastState = null;
        this._showItem.removeClass('disabled');
        this._panel.show(this._run, this._runs);
        this._run.follow();
        this._list.start();
        this._draw(this._run);
    };

    /** How long it took the last time, if it did not fail. */
    NotebookView.prototype._askExpected = function () {
        this._client.list().then(this._setExpected.bind(this)).catch(function () {});  // nothing is lost but a hint
    };

    NotebookView.prototype._setExpected = function (models) {
        var last = models.filter(function (model) {
            return model.status === 'completed' && this._isOfNotebook(model);
        }, this).sort(function (a, b) { return b.completed_at - a.completed_at; })[0];
        this._runs.forEach(function (run) {
            if (last && !run.isOver) {
                run.expected = last.completed_at - last.started_at;
            }
        });
        this._panel.draw();
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
            this._mark(null);
        }
        this._notebook.focus_cell();
    };

    NotebookView.prototype._draw = function (run) {
        if (run !== this._run) {
            return;
        }
        this._panel.draw();
        this._drawIndicator();
        this._drawMark();
        var state = progressView.ProgressView.summary(run).text;
        if (run.isOver && this._lastState !== null && state !== this._lastState) {
            this._panel.announce(i18n.msg.sprintf(i18n.msg._("The execution has ended: %s"), state));
        }
        this._lastState = state;
    };

    /** Mark the cell that is running, or that has failed. */
    NotebookView.prototype._drawMark = function () {
        var run = this._run, failed = run.error !== null && run.error.ename !== undefined;
        if (failed) {
            this._mark(this._cellOf(run), 'nbexec-failed', i18n.msg._("This cell failed in the execution"));
        } else {
            this._mark(run.isCellRunning && !run.isOver ? this._cellOf(run) : null, 'nbexec-running',
                      i18n.msg._("This cell is running in the execution"));
        }
    };

    NotebookView.prototype._mark = function (cell, name, text) {
        if (this._marked && this._marked.cell === cell && this._marked.name === name) {
            return;
        }
        if (this._marked) {
            this._marked.cell.element.removeClass(this._marked.name).find('.nbexec-mark').remove();
        }
        this._marked = cell ? {cell: cell, name: name} : null;
        if (cell) {
            var icon = name === 'nbexec-failed' ? 'fa-times' : 'fa-cog fa-spin';
            cell.element.addClass(name).append($('<div>').addClass('nbexec-mark').attr('title', text).append(
                parts.icon(icon),
                $('<span>').addClass('sr-only').text(text)));
        }
    };

    /**
     * The cell of the notebook that is run, if it is still there: the one with its source that is nearest to where it
     * was. Ids of cells would say it too, but only newer notebooks have them.
     */
    NotebookView.prototype._cellOf = function (run) {
        if (!run.cell) {
            return null;
        }
        var cells = this._notebook.get_cells(), place = run.number - 1;
        var atInjected = cells[run.injected - 1];
        if (run.injected && run.number > run.injected
                && !(atInjected && (atInjected.metadata.tags || []).indexOf('injected-parameters') !== -1)) {
            place -= 1;
        }
        var source = texts.joined(run.cell.source);
        var distance = function (cell) { return Math.abs(cells.indexOf(cell) - place); };
        return cells.filter(function (cell) {
            return cell.cell_type === 'code' && cell.get_text() === source;
        }).sort(function (a, b) { return distance(a) - distance(b); })[0] || null;
    };

    NotebookView.prototype._goToCell = function (run) {
        var cell = this._cellOf(run);
        if (!cell) {
            this._panel.announce(i18n.msg._("This cell is not in the notebook."));
            return;
        }
        this._notebook.select(this._notebook.find_cell_index(cell));
        cell.element[0].scrollIntoView({block: 'center'});
        this._notebook.focus_cell();
    };

    return {NotebookView: NotebookView};
});
