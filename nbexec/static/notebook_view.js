/**
 * What nbexec adds to the notebook page: what starts a run, what leads back to it, and the mark at the running cell.
 */
define([
    'jquery', 'base/js/i18n', 'notebook/js/quickhelp', './followed_run', './form_view', './modal', './progress_view'
], function ($, i18n, quickhelp, followed_run, form_view, modal, progress_view) {
    "use strict";

    var SHORTCUT = 'shift-r';
    var TEMPLATE = [
        '# nbexec: params',
        'name = "world"',
        'count = 3',
        'verbose = False',
        '',
        '# What the form says about them. It may be left out.',
        '{',
        '    "name": {"type": str, "desc": "Whom to greet", "examples": ["world", "moon"]},',
        '    "count": {"type": int, "desc": "How often"},',
        '    "verbose": {"type": bool, "desc": "Whether to tell more"},',
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
        this.client = options.client;
        this.notebook = options.notebook;
        this.toolbar = options.toolbar;
        this.events = options.events;
        this.keyboard_manager = options.notebook.keyboard_manager;
        this.runs = [];  // newest first
        this.run = null;  // the one that is shown
        this.marked = null;
        this.panel = new progress_view.ProgressView({
            notebook: this.notebook,
            on_stop: this.confirm_stop.bind(this),
            on_again: this.run_again.bind(this),
            on_go_to_cell: this.go_to_cell.bind(this),
            on_choose: this.choose.bind(this),
            on_close: this.close_panel.bind(this),
            on_resize: this.make_room.bind(this)
        });
    };

    // -- what is added to the page -----------------------------------------------------------------------------------

    NotebookView.prototype.add_controls = function () {
        var actions = this.keyboard_manager.actions;
        var label = i18n.msg._("Run with parameters…");
        this.run_action = actions.register({
            help: i18n.msg._("Run the notebook with parameters, in a kernel of its own"),
            help_index: 'hz', icon: 'fa-rocket', handler: this.run_with_parameters.bind(this)
        }, 'run-with-parameters', 'nbexec');
        this.show_action = actions.register({
            help: i18n.msg._("Show the last run with parameters"),
            help_index: 'hz', icon: 'fa-tasks', handler: this.open_panel.bind(this)
        }, 'show-run-with-parameters', 'nbexec');
        // Keys that somebody has chosen are theirs.
        if (this.keyboard_manager.command_shortcuts.is_available_shortcut(SHORTCUT)) {
            this.keyboard_manager.command_shortcuts.add_shortcut(SHORTCUT, this.run_action);
        }
        this.toolbar.add_buttons_group([{action: this.run_action, label: label}], 'nbexec_buttons');
        this.add_menu_item(this.run_action, label, 'nbexec_run').before(
            $('<li/>').addClass('divider').attr('role', 'none'));
        this.show_item = this.add_menu_item(this.show_action, i18n.msg._("Show run"), 'nbexec_show')
            .addClass('disabled');
        this.add_indicator();
        $(window).resize(this.make_room.bind(this));
        this.events.on('resize-header.Page', this.make_room.bind(this));
        if (window.ResizeObserver) {  // the header grows and shrinks with its messages, without a word
            var observer = new ResizeObserver(this.make_room.bind(this));
            observer.observe($('#header')[0]);
            observer.observe(this.panel.element[0]);
        }
    };

    NotebookView.prototype.add_menu_item = function (action, label, id) {
        var that = this, actions = this.keyboard_manager.actions;
        var link = $('<a/>').attr('href', '#').append($('<span/>').addClass('action').text(label));
        var keys = this.keyboard_manager.command_shortcuts.get_action_shortcut(action);
        if (keys) {
            link.addClass('menu-shortcut-container').append(
                $('<span/>').addClass('kb').append(quickhelp.humanize_sequence(keys)));
        }
        return $('<li/>').attr({id: id, title: actions.get(action).help}).append(link).click(function (event) {
            event.preventDefault();
            if (!$(this).hasClass('disabled')) {
                that.keyboard_manager.actions.call(action, event);
            }
        }).appendTo('#kernel_menu');
    };

    /** A small button in the bar of the menus, which leads back to a closed panel. */
    NotebookView.prototype.add_indicator = function () {
        this.indicator = $('<button/>').attr({type: 'button', id: 'nbexec_indicator'})
            .addClass('notification_widget btn btn-xs navbar-btn').hide()
            .click(this.open_panel.bind(this));
        $('#notification_area').prepend(this.indicator);
    };

    NotebookView.prototype.draw_indicator = function () {
        var run = this.run, summary = progress_view.ProgressView.summary(run);
        var progress = run.total ? run.number + '/' + run.total : '';
        var kind = summary.kind === 'primary' || summary.kind === 'default' ? 'info' : summary.kind;
        this.indicator.toggle(!this.panel.is_open).empty().append(
            $('<i/>').addClass('fa fa-fw ' + summary.icon).attr('aria-hidden', 'true'),
            document.createTextNode(' ' + (run.is_over ? summary.text : progress || summary.text))
        ).attr({
            title: i18n.msg._("Show the run"),
            'aria-label': i18n.msg.sprintf(i18n.msg._("Show the run: %1$s %2$s"), summary.text, progress)
        }).removeClass('info success warning danger').addClass(kind);
    };

    /** Let the page end where the panel begins. */
    NotebookView.prototype.make_room = function () {
        var height = this.panel.height();
        $('#site').css('max-height', height ? $(window).height() - $('#header').outerHeight() - height : '');
    };

    // -- starting ----------------------------------------------------------------------------------------------------

    NotebookView.prototype.run_with_parameters = function () {
        return this.save_and_open({});
    };

    NotebookView.prototype.run_again = function (run) {
        return this.save_and_open(form_view.FormView.values_of(run.model), run.id);
    };

    /** Save the notebook, for it is the file that is run, and show the form. */
    NotebookView.prototype.save_and_open = function (values, origin) {
        var that = this;
        if (!this.notebook.writable) {
            return this.open_form(values, origin, this.notebook.dirty ? i18n.msg._(
                "This notebook cannot be saved here. It is run as it is on the server, without your changes.") : '');
        }
        this.save().then(function (is_saved) {
            if (is_saved) {
                that.open_form(values, origin);
            }
        }).catch(function (error) {
            modal.open({
                title: i18n.msg._("The notebook could not be saved"),
                body: i18n.msg.sprintf(i18n.msg._("It was not run, because the server runs what is saved: %s"),
                                       error && error.message || i18n.msg._("The server cannot be reached.")),
                buttons: {"OK": {}},
                notebook: that.notebook,
                keyboard_manager: that.keyboard_manager
            });
        });
    };

    /** Resolves to whether it was saved; the notebook asks first if the file was changed by somebody else. */
    NotebookView.prototype.save = function () {
        var is_saved = false, events = this.events;
        var note = function () { is_saved = true; };
        events.one('notebook_saved.Notebook', note);
        var done = function () { events.off('notebook_saved.Notebook', note); };
        return this.notebook.save_notebook().then(function () {
            done();
            return is_saved;
        }, function (error) {
            done();
            throw error;
        });
    };

    NotebookView.prototype.open_form = function (values, origin, note) {
        form_view.FormView.open({
            client: this.client,
            path: this.notebook.notebook_path,
            values: values,
            origin: origin,
            note: note,
            on_started: this.show_started.bind(this),
            insert_template: this.notebook.writable ? this.insert_template.bind(this) : null,
            notebook: this.notebook,
            keyboard_manager: this.keyboard_manager
        });
    };

    /** Put a parameter cell above the first code cell, with the cursor in it. */
    NotebookView.prototype.insert_template = function () {
        var cells = this.notebook.get_cells(), index = 0;
        while (index < cells.length && cells[index].cell_type !== 'code') {
            index += 1;
        }
        var cell = this.notebook.insert_cell_at_index('code', index);
        cell.set_text(TEMPLATE);
        this.notebook.select(index);
        this.notebook.scroll_to_cell(index);
        this.notebook.edit_mode();
    };

    NotebookView.prototype.show_started = function (model) {
        this.choose(this.add_run(model).id);
        this.open_panel();
        this.panel.announce(i18n.msg._("The run has started."));
        this.ask_expected();
    };

    // -- runs --------------------------------------------------------------------------------------------------------

    /** Find the runs of this notebook that are under way; called when the page is loaded. */
    NotebookView.prototype.find_runs = function () {
        var that = this;
        return this.client.list().then(function (models) {
            var path = that.notebook.notebook_path;
            models.filter(function (model) {
                return model.path === path && model.completed_at === null;
            }).sort(function (a, b) { return a.started_at - b.started_at; }).forEach(that.add_run, that);
            if (that.runs.length && !that.run) {
                that.set_expected(models);
                that.choose(that.runs[0].id);
                that.open_panel();
            }
        }).catch(function (error) {
            // Who only reads a notebook is not to be bothered; who runs one is told then.
            console.log('nbexec: the executions are not to be had: ' + error.message);
        });
    };

    NotebookView.prototype.add_run = function (model) {
        var known = this.runs.filter(function (run) { return run.id === model.exec_id; })[0];
        if (!known) {
            known = new followed_run.FollowedRun(this.client, model, this.draw.bind(this));
            this.runs.unshift(known);
        }
        return known;
    };

    /** Follow the run with this id, and no other: browsers have few connections. */
    NotebookView.prototype.choose = function (id) {
        if (this.run && this.run.id !== id) {
            this.run.unfollow();
        }
        this.run = this.runs.filter(function (run) { return run.id === id; })[0];
        this.last_state = null;
        this.show_item.removeClass('disabled');
        this.panel.show(this.run, this.runs);
        this.run.follow();
        this.draw(this.run);
    };

    /** How long it took the last time, if it did not fail. */
    NotebookView.prototype.ask_expected = function () {
        this.client.list().then(this.set_expected.bind(this)).catch(function () {});  // nothing is lost but a hint
    };

    NotebookView.prototype.set_expected = function (models) {
        var path = this.notebook.notebook_path;
        var last = models.filter(function (model) {
            return model.path === path && model.status === 'completed';
        }).sort(function (a, b) { return b.completed_at - a.completed_at; })[0];
        this.runs.forEach(function (run) {
            if (last && !run.is_over) {
                run.expected = last.completed_at - last.started_at;
            }
        });
        this.panel.draw();
    };

    NotebookView.prototype.confirm_stop = function (run) {
        modal.open({
            title: i18n.msg._("Stop the run?"),
            body: i18n.msg._("The cell that is running is broken off. What was done until then is kept in the result."),
            buttons: {
                "Continue Running": {},
                "Stop": {class: 'btn-danger', click: this.stop.bind(this, run)}
            },
            notebook: this.notebook,
            keyboard_manager: this.keyboard_manager
        });
    };

    NotebookView.prototype.stop = function (run) {
        var that = this;
        run.stop().catch(function (error) {
            modal.open({
                title: i18n.msg._("The run could not be stopped"), body: error.message, buttons: {"OK": {}},
                notebook: that.notebook, keyboard_manager: that.keyboard_manager
            });
        });
    };

    // -- drawing -----------------------------------------------------------------------------------------------------

    NotebookView.prototype.open_panel = function () {
        if (!this.run) {
            return;
        }
        this.panel.open();
        this.draw_indicator();
    };

    NotebookView.prototype.close_panel = function () {
        this.panel.close();
        this.draw_indicator();
        if (this.run.is_over) {
            this.mark(null);
        }
        this.notebook.focus_cell();
    };

    NotebookView.prototype.draw = function (run) {
        if (run !== this.run) {
            return;
        }
        this.panel.draw();
        this.draw_indicator();
        this.draw_mark();
        var state = progress_view.ProgressView.summary(run).text;
        if (run.is_over && this.last_state !== null && state !== this.last_state) {
            this.panel.announce(i18n.msg.sprintf(i18n.msg._("The run has ended: %s"), state));
        }
        this.last_state = state;
    };

    /** Mark the cell that is running, or that has failed. */
    NotebookView.prototype.draw_mark = function () {
        var run = this.run, failed = run.error !== null && run.error.ename !== undefined;
        if (failed) {
            this.mark(this.cell_of(run), 'nbexec-failed', i18n.msg._("This cell failed in the run"));
        } else {
            this.mark(run.is_cell_running && !run.is_over ? this.cell_of(run) : null, 'nbexec-running',
                      i18n.msg._("This cell is running in the background"));
        }
    };

    NotebookView.prototype.mark = function (cell, name, text) {
        if (this.marked && this.marked.cell === cell && this.marked.name === name) {
            return;
        }
        if (this.marked) {
            this.marked.cell.element.removeClass(this.marked.name).find('.nbexec-mark').remove();
        }
        this.marked = cell ? {cell: cell, name: name} : null;
        if (cell) {
            var icon = name === 'nbexec-failed' ? 'fa-times' : 'fa-cog fa-spin';
            cell.element.addClass(name).append($('<div/>').addClass('nbexec-mark').attr('title', text).append(
                $('<i/>').attr('aria-hidden', 'true').addClass('fa fa-fw ' + icon),
                $('<span/>').addClass('sr-only').text(text)));
        }
    };

    /**
     * The cell of the notebook that is run, if it is still there: the one with its source that is nearest to where it
     * was. Ids of cells would say it too, but only newer notebooks have them.
     */
    NotebookView.prototype.cell_of = function (run) {
        if (!run.cell) {
            return null;
        }
        var cells = this.notebook.get_cells(), place = run.number - 1;
        var at_injected = cells[run.injected - 1];
        if (run.injected && run.number > run.injected
                && !(at_injected && (at_injected.metadata.tags || []).indexOf('injected-parameters') !== -1)) {
            place -= 1;
        }
        var source = Array.isArray(run.cell.source) ? run.cell.source.join('') : run.cell.source;
        var distance = function (cell) { return Math.abs(cells.indexOf(cell) - place); };
        return cells.filter(function (cell) {
            return cell.cell_type === 'code' && cell.get_text() === source;
        }).sort(function (a, b) { return distance(a) - distance(b); })[0] || null;
    };

    NotebookView.prototype.go_to_cell = function (run) {
        var cell = this.cell_of(run);
        if (!cell) {
            this.panel.announce(i18n.msg._("This cell is not in the notebook."));
            return;
        }
        this.notebook.select(this.notebook.find_cell_index(cell));
        cell.element[0].scrollIntoView({block: 'center'});
        this.notebook.focus_cell();
    };

    return {NotebookView: NotebookView};
});
