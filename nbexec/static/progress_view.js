/**
 * Draws the panel below the notebook that shows how far a run is.
 *
 * It says what it is asked for by the callbacks it is given, and asks the server for nothing.
 */
define([
    'jquery', 'base/js/i18n', 'base/js/utils', 'notebook/js/outputarea', './safe_output', './words'
], function ($, i18n, utils, outputarea, safe_output, words) {
    "use strict";

    var TICK = 1000;

    /**
     * @constructor
     * @param {Object} options
     * @param {Notebook} options.notebook - of the page
     * @param {function(FollowedRun)} options.on_stop, options.on_again, options.on_go_to_cell
     * @param {function(string)} options.on_choose - called with the id of another run
     * @param {function()} options.on_close
     * @param {function()} options.on_resize - called when the panel takes more or less of the page
     */
    var ProgressView = function (options) {
        this.options = options;
        this.run = null;
        this.runs = [];
        this.drawn = {};  // what is on the screen of the run
        this.make();
    };

    // -- the parts ---------------------------------------------------------------------------------------------------

    var icon = function (name) {
        return $('<i/>').addClass('fa fa-fw ' + name).attr('aria-hidden', 'true');
    };

    var button = function (classes, icon_name, label, on_click) {
        return $('<button/>').attr('type', 'button').addClass('btn btn-xs ' + classes)
            .append(icon(icon_name), $('<span/>').text(' ' + label)).click(on_click);
    };

    ProgressView.prototype.make = function () {
        var that = this, call = function (name) {
            return function () { that.options[name](that.run); };
        };
        this.state = $('<span/>').addClass('label nbexec-state');
        this.chooser = $('<select/>').addClass('form-control input-sm nbexec-runs')
            .attr('aria-label', i18n.msg._("Runs of this notebook"))
            .change(function () { that.options.on_choose(that.chooser.val()); });
        this.params = $('<span/>').addClass('nbexec-params');
        this.stop_button = button('btn-default nbexec-stop', 'fa-stop', i18n.msg._("Stop"), call('on_stop'));
        this.again_button = button('btn-default nbexec-again', 'fa-repeat', i18n.msg._("Run again…"), call('on_again'));
        this.result = $('<a/>').addClass('btn btn-xs btn-primary nbexec-result')
            .attr({target: '_blank', rel: 'noopener'})
            .append(icon('fa-external-link'), $('<span/>').text(' ' + i18n.msg._("Open result")));
        this.close_button = $('<button/>').attr({
            type: 'button', 'aria-label': i18n.msg._("Close the panel; the run goes on"),
            title: i18n.msg._("Close the panel; the run goes on")
        }).addClass('close nbexec-close').text('×').click(this.options.on_close);
        this.bar = $('<div/>').addClass('progress-bar').attr({
            role: 'progressbar', 'aria-label': i18n.msg._("Progress of the run"), 'aria-valuemin': 0
        });
        this.count = $('<span/>').addClass('nbexec-count');
        this.time = $('<span/>').addClass('nbexec-time');
        this.problem = $('<div/>').addClass('alert alert-warning nbexec-problem').attr('role', 'alert').hide();
        this.warnings = $('<div/>').addClass('alert alert-warning nbexec-warnings').attr('role', 'status').hide();
        this.error = $('<div/>').addClass('alert alert-danger nbexec-failure').attr('role', 'alert').hide();
        this.cell_title = $('<h5/>');
        this.cell_button = button('btn-default nbexec-go', 'fa-crosshairs', i18n.msg._("Go to cell"),
                                  call('on_go_to_cell'));
        this.source = $('<pre/>').attr({tabindex: 0, 'aria-label': i18n.msg._("Source of the cell")});
        this.output_box = $('<div/>').addClass('nbexec-output').attr({
            tabindex: 0, role: 'region', 'aria-label': i18n.msg._("Output of the cell")
        });
        this.announcement = $('<div/>').addClass('sr-only').attr({role: 'status', 'aria-live': 'polite'});
        this.element = $('<div/>').attr({
            id: 'nbexec-panel', role: 'region', 'aria-label': i18n.msg._("Run with parameters")
        }).addClass('nbexec-panel').hide().append(
            $('<div/>').addClass('nbexec-header').append(
                this.state, this.chooser, this.params,
                $('<span/>').addClass('nbexec-buttons').append(
                    this.stop_button, this.again_button, this.result, this.close_button)),
            $('<div/>').addClass('nbexec-progress').append(
                $('<div/>').addClass('progress').append(this.bar), this.count, this.time),
            this.problem, this.warnings, this.error,
            $('<div/>').addClass('nbexec-cell').append(
                $('<div/>').addClass('nbexec-source').append(
                    $('<div/>').addClass('nbexec-cell-header').append(this.cell_title, this.cell_button), this.source),
                this.output_box),
            this.announcement);
        // The keys of the notebook are not those of the panel.
        this.options.notebook.keyboard_manager.register_events(this.element);
        $('body').append(this.element);
        this.output = this.make_output();
    };

    /** The notebook's own renderer; as in a notebook that is not trusted, nothing in it is run. */
    ProgressView.prototype.make_output = function () {
        var notebook = this.options.notebook;
        var output = new outputarea.OutputArea({
            selector: $('<div/>').appendTo(this.output_box), prompt_area: false, config: notebook.config,
            events: notebook.events, keyboard_manager: notebook.keyboard_manager
        });
        output.scroll_state = false;  // the box around it scrolls
        output.trusted = false;
        return output;
    };

    // -- opening and closing -----------------------------------------------------------------------------------------

    Object.defineProperty(ProgressView.prototype, 'is_open', {get: function () {
        return this.element.is(':visible');
    }});

    /** Height that it takes of the page. */
    ProgressView.prototype.height = function () {
        return this.is_open ? this.element.outerHeight() : 0;
    };

    ProgressView.prototype.open = function () {
        var that = this;
        this.element.show();
        clearInterval(this.ticking);
        this.ticking = setInterval(function () { that.draw_time(); }, TICK);
        this.draw();
        this.options.on_resize();
    };

    ProgressView.prototype.close = function () {
        this.element.hide();
        clearInterval(this.ticking);
        this.options.on_resize();
    };

    ProgressView.prototype.focus = function () {
        this.close_button.focus();
    };

    /** Show another run; `runs` are all that can be chosen. */
    ProgressView.prototype.show = function (run, runs) {
        this.run = run;
        this.runs = runs;
        this.drawn = {};
        this.draw();
    };

    /** Tell something to those who do not see the panel. */
    ProgressView.prototype.announce = function (text) {
        this.announcement.text(text);
    };

    // -- drawing -----------------------------------------------------------------------------------------------------

    ProgressView.prototype.draw = function () {
        if (!this.run || !this.is_open) {
            return;
        }
        this.draw_header();
        this.draw_progress();
        this.draw_time();
        this.draw_problem();
        this.draw_error();
        this.warnings.text(this.run.warnings.join(' ')).toggle(this.run.warnings.length > 0);
        this.draw_cell();
        this.draw_output();
        var height = this.height();
        if (height !== this.drawn.height) {
            this.drawn.height = height;
            this.options.on_resize();
        }
    };

    var KINDS = {starting: 'default', running: 'primary', completed: 'success', failed: 'danger', stopped: 'warning'};
    var ICONS = {starting: 'fa-hourglass-start', running: 'fa-cog fa-spin', completed: 'fa-check', failed: 'fa-times',
                 stopped: 'fa-stop'};

    /** How a run is, in a word, with the classes of Bootstrap and Font Awesome that go with it. */
    ProgressView.summary = function (run) {
        if (run.state === 'gone') {
            return {text: i18n.msg._("Unknown"), kind: 'warning', icon: 'fa-question'};
        }
        if (run.is_stopping && !run.is_over) {
            return {text: i18n.msg._("Stopping…"), kind: 'warning', icon: 'fa-stop'};
        }
        var state = words.state_of(run.model);
        return {text: words.state_names[state], kind: KINDS[state], icon: ICONS[state]};
    };

    ProgressView.prototype.draw_header = function () {
        var run = this.run, summary = ProgressView.summary(run);
        this.state.attr('class', 'label nbexec-state label-' + summary.kind)
            .empty().append(icon(summary.icon), $('<span/>').text(' ' + summary.text));
        this.draw_chooser();
        this.params.text(words.parameters_of(run.model)).attr('title', words.parameters_of(run.model));
        this.stop_button.toggle(!run.is_over).prop('disabled', run.is_stopping);
        this.again_button.toggle(run.is_over);
        var output_path = run.is_over && run.state !== 'gone' ? run.model.output_path : null;
        this.result.toggle(output_path !== null).attr({title: output_path, href: output_path && utils.url_path_join(
            this.options.notebook.base_url, 'notebooks', utils.encode_uri_components(output_path))});
        var label = run.is_over ? i18n.msg._("Close the panel") : i18n.msg._("Close the panel; the run goes on");
        this.close_button.attr({'aria-label': label, title: label});
    };

    ProgressView.prototype.draw_chooser = function () {
        var names = this.runs.map(function (run) {
            var started = run.model.started_at;
            var time = started === null ? '' : new Date(started * 1000).toLocaleTimeString() + ' ';
            return {id: run.id, text: time + ProgressView.summary(run).text};
        });
        var content = JSON.stringify(names);
        this.chooser.toggle(names.length > 1);
        if (content !== this.drawn.names) {
            this.drawn.names = content;
            this.chooser.empty().append(names.map(function (name) {
                return $('<option/>').val(name.id).text(name.text);
            }));
        }
        this.chooser.val(this.run.id);
    };

    ProgressView.prototype.draw_progress = function () {
        var run = this.run, done = run.is_cell_running ? run.number - 1 : run.number;
        var has_ended = run.model.status === 'completed', kind = ProgressView.summary(run).kind;
        var share = has_ended ? 1 : run.total ? done / run.total : 0;
        var count = run.total ? i18n.msg.sprintf(i18n.msg._("cell %1$s of %2$s"), run.number, run.total) : '';
        this.count.text(count);
        this.bar.css('width', share * 100 + '%').attr({
            'aria-valuemax': run.total || 1, 'aria-valuenow': has_ended ? run.total || 1 : done,
            'aria-valuetext': count || i18n.msg._("not started yet")
        });
        this.bar.toggleClass('progress-bar-success', has_ended)
            .toggleClass('progress-bar-danger', kind === 'danger')
            .toggleClass('progress-bar-warning', run.is_over && kind === 'warning')
            .toggleClass('progress-bar-striped active', !run.is_over);
    };

    ProgressView.prototype.draw_time = function () {
        var run = this.run;
        if (!run || run.state === 'gone') {
            return;
        }
        if (run.is_over) {
            this.time.text(i18n.msg.sprintf(i18n.msg._("took %s"), words.duration(run.elapsed())));
        } else if (run.expected === null) {
            this.time.text(words.duration_so_far(run.elapsed()));
        } else {
            this.time.text(i18n.msg.sprintf(i18n.msg._("%1$s, last time it took %2$s"),
                                            words.duration_so_far(run.elapsed()), words.duration(run.expected)));
        }
    };

    ProgressView.prototype.draw_problem = function () {
        var run = this.run, text = '', base_url = this.options.notebook.base_url;
        if (run.state === 'lost' && !run.is_over) {
            text = i18n.msg.sprintf(i18n.msg._("%s The run does not need this page: if the server is still there, it "
                                               + "goes on. The page tries again by itself."), run.problem.message);
        } else if (run.state === 'unauthorized') {
            text = i18n.msg._("You are not logged in to this server any more. The run goes on; log in again to see "
                              + "it.");
        } else if (run.state === 'gone') {
            text = i18n.msg._("The server does not know this run any more: it was deleted, or the server was "
                              + "restarted. What was done until then is in a result beside the notebook.");
        }
        if (text === this.drawn.problem) {
            return;
        }
        this.drawn.problem = text;
        this.problem.empty().append($('<span/>').text(text)).toggle(text !== '');
        if (run.state === 'unauthorized') {
            this.problem.append(' ', $('<a/>').addClass('alert-link').attr({
                href: utils.url_path_join(base_url, 'login'), target: '_blank', rel: 'noopener'
            }).text(i18n.msg._("Log in")));
        }
    };

    ProgressView.prototype.draw_error = function () {
        var event = this.run.error, text = '';
        if (event && event.ename) {
            text = i18n.msg.sprintf(i18n.msg._("Cell %1$s of %2$s failed with %3$s"), this.run.number, this.run.total,
                                    event.ename + (event.evalue ? ': ' + first_line(event.evalue) : ''));
        } else if (event && words.state_of(this.run.model) !== 'stopped') {
            text = event.error || this.run.model.status;
        }
        if (text !== this.drawn.error) {
            this.drawn.error = text;
            this.error.text(text).toggle(text !== '').attr('title', text);
        }
    };

    var first_line = function (text) {
        var end = text.indexOf('\n');
        return end === -1 ? text : text.slice(0, end) + ' …';
    };

    ProgressView.prototype.draw_cell = function () {
        var run = this.run, cell = run.cell;
        if (cell === this.drawn.cell && run.is_cell_running === this.drawn.is_cell_running && !run.is_over) {
            return;
        }
        this.drawn.cell = cell;
        this.drawn.is_cell_running = run.is_cell_running;
        this.cell_title.text(!cell ? i18n.msg._("No cell has been started yet")
            : run.is_cell_running ? i18n.msg._("Running cell")
            : run.error && run.error.ename ? i18n.msg._("Failed cell") : i18n.msg._("Last cell"));
        this.cell_button.toggle(Boolean(cell));
        var text = cell ? (Array.isArray(cell.source) ? cell.source.join('') : cell.source) : '';
        if (this.source.text() !== text) {
            this.source.text(text).scrollTop(0);
        }
    };

    ProgressView.prototype.draw_output = function () {
        var run = this.run, drawn = this.drawn, box = this.output_box[0];
        var was_at_end = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
        if (run.version !== drawn.version) {
            drawn.version = run.version;
            drawn.outputs = 0;
            this.output.clear_output(false, true);
            this.output.trusted = false;  // which clearing forgets
        }
        run.outputs.slice(drawn.outputs).forEach(function (output) {
            this.output.append_output(safe_output(output));
        }, this);
        drawn.outputs = run.outputs.length;
        this.output_box.toggleClass('nbexec-empty', run.outputs.length === 0)
            .attr('data-empty', run.is_cell_running ? i18n.msg._("No output yet") : i18n.msg._("No output"));
        if (was_at_end) {
            box.scrollTop = box.scrollHeight;
        }
    };

    return {ProgressView: ProgressView};
});
