/**
 * The dialog in which a notebook is run with a table of values: first the table is pasted, then its executions are followed,
 * and in the end their results stand in columns.
 */
define([
    'jquery', 'base/js/i18n', './modal', './parts', './texts', './json_text', './list_query',
    './execution_address', './value_table', './table_runs'
], function ($, i18n, modal, parts, texts, jsonText, listQuery, executionAddress, valueTable, tableRuns) {
    "use strict";

    var MOST_PROBLEMS = 10;  // that are shown
    var ARGUMENTS = ['output_path', 'overwrite', 'jupyter_kernel', 'cell_timeout'];  // values that are no parameters

    /**
     * @constructor
     * @param {Object} options
     * @param {Client} options.client
     * @param {string} options.path - of the notebook
     * @param {Object} [options.values] - what all rows have if their own is empty, texts by name; each row has a result
     *     of its own, so that `overwrite` is not among them
     * @param {string} [options.origin] - id of the execution that these are from
     * @param {Object} [options.page] - `notebook` and `keyboard_manager` of the notebook page
     */
    var TableView = function (options) {
        this._options = options;
        this._client = options.client;
        this._shared = Object.assign({}, options.values);
        delete this._shared.overwrite;
        this._parameters = [];
        this._table = {names: [], rows: [], problems: []};
        this._runs = null;
    };

    /** Show the dialog; the arguments are those of the constructor. */
    TableView.open = function (options) {
        var view = new TableView(options);
        view.open();
        return view;
    };

    TableView.prototype.open = function () {
        var that = this, buttons = {};
        this._body = $('<div>').addClass('nbexec-form');
        buttons[i18n.msg._("Close")] = {};
        buttons[i18n.msg._("Run")] = {'class': 'btn-primary nbexec-run-table', click: function () {
            that._press();
            return false;  // or the dialog would close
        }};
        this._dialog = modal.open(Object.assign({
            title: i18n.msg._("Run a table of values"), body: this._body, buttons: buttons,
            open: function () { that._body.find('textarea').focus(); }
        }, this._options.page));
        this._dialog.find('.modal-title').append(
            $('<small>').addClass('nbexec-path').text(' ' + texts.nameOf(this._options.path)));
        this._dialog.on('hidden.bs.modal', function () {
            if (that._runs) {
                that._runs.close();
            }
        });
        this._button = this._dialog.find('.nbexec-run-table').prop('disabled', true);
        this._drawEntry();
        this._load();
    };

    // -- the table ---------------------------------------------------------------------------------------------------

    TableView.prototype._drawEntry = function () {
        this._area = $('<textarea>').attr({rows: 8, id: 'nbexec_table', spellcheck: 'false',
                                           'aria-describedby': 'nbexec_table_status'}).addClass('form-control')
            .on('input', this._read.bind(this));
        this._status = $('<div>').attr({id: 'nbexec_table_status', role: 'status'}).addClass('help-block');
        this._body.append(
            $('<label>').attr('for', 'nbexec_table').text(i18n.msg._(
                "Paste rows from a spreadsheet: parameter names in the first row, then one row per execution")),
            this._area, this._status, $('<p>').addClass('help-block nbexec-table-values'),
            $('<p>').addClass('help-block').text(i18n.msg._(
                "The executions count towards the server's limits like any others.")));
    };

    /** Say what an empty cell stands for. */
    TableView.prototype._drawShared = function () {
        var shared = this._shared, parameters = this._parameters;
        var isShown = function (name) {
            return ARGUMENTS.indexOf(name) === -1 && !parameters.some(function (parameter) {
                return parameter.name === name && parameter.secret;
            });
        };
        var values = texts.parametersOf({params: shared}, isShown);
        this._body.find('.nbexec-table-values').text(values
            ? i18n.msg.sprintf(i18n.msg._("An empty cell or a missing column takes one of these values: %s; otherwise the "
                                          + "default."), values)
            : i18n.msg._("An empty cell or a missing column takes the default."));
    };

    TableView.prototype._load = function () {
        var that = this;
        this._client.parameters(this._options.path).then(function (answer) {
            that._parameters = answer.parameters;
            var names = answer.parameters.map(function (parameter) { return parameter.name; });
            that._area.attr('placeholder', names.join('\t')).prop('disabled', !names.length);
            that._read();
            that._drawShared();
            if (!names.length) {
                that._status.text(i18n.msg._("This notebook has no parameters."));
            }
        }).catch(function (error) {
            that._status.text(error.message);
        });
    };

    TableView.prototype._read = function () {
        var table = this._table = valueTable.read(this._area.val(), this._parameters), count = table.rows.length;
        this._status.empty().append(table.problems.slice(0, MOST_PROBLEMS).map(function (problem) {
            return $('<div>').addClass('nbexec-error').text(problem);
        }));
        this._area.attr('aria-invalid', table.problems.length ? 'true' : null);
        this._button.prop('disabled', !count || table.problems.length > 0)
            .text(count ? i18n.msg.sprintf(i18n.msg.ngettext("Run %d execution", "Run %d executions", count), count)
                : i18n.msg._("Run"));
    };

    // -- its executions ----------------------------------------------------------------------------------------------

    /** Run them, or stop them if they run. */
    TableView.prototype._press = function () {
        if (this._runs) {
            return this._runs.stopAll();
        }
        if (this._button.prop('disabled')) {
            return;
        }
        var shared = Object.assign({}, this._shared, {notebook: this._options.path});
        this._runs = new tableRuns.TableRuns(this._client, {
            requests: this._table.rows.map(function (row) { return Object.assign({}, shared, row); }),
            origin: this._options.origin, onChange: this._draw.bind(this)});
        this._drawRuns();
        this._runs.start();
        this._draw();
    };

    TableView.prototype._drawRuns = function () {
        this._button.removeClass('btn-primary').addClass('btn-warning').text(i18n.msg._("Stop all"));
        this._progress = new parts.ProgressBar();
        this._line = $('<p>').addClass('nbexec-table-line');
        this._problem = parts.alertBox('warning', 'nbexec-problem');
        this._said = parts.announcement();
        this._results = $('<div>').addClass('nbexec-table-results').attr({
            tabindex: 0, role: 'region', 'aria-label': i18n.msg._("Executions of the table")});
        this._copy = parts.button('btn-default btn-sm nbexec-copy-table', i18n.msg._("Copy table"),
                                  this._copyTable.bind(this), 'fa-clipboard');
        var list = listQuery.addressOf({notebook: this._options.path});
        this._body.empty().append(
            this._progress.element, this._line, this._problem, this._results, this._copy, ' ',
            $('<a>').addClass('btn btn-default btn-sm').attr({
                href: executionAddress.inTree(this._client.baseUrl, list), target: '_blank', rel: 'noopener'})
                .text(i18n.msg._("Show in the list")),
            $('<p>').addClass('help-block').text(i18n.msg._("Executions continue if you close this dialog.")), this._said);
    };

    TableView.prototype._draw = function () {
        var counts = this._runs.counts(), all = this._runs.rows.length, isOver = this._runs.isOver();
        var done = counts.completed + counts.failed + counts.stopped;
        var line = i18n.msg.sprintf(i18n.msg._("%1$d of %2$d done, %3$d failed, %4$d running"), done, all, counts.failed,
                                    counts.running);
        this._progress.set(Math.floor(100 * done / all), line);
        this._progress.bar.toggleClass('progress-bar-striped active', !isOver)
            .toggleClass('progress-bar-success', isOver && counts.completed === all)
            .toggleClass('progress-bar-danger', isOver && counts.failed > 0);
        this._line.text(line);
        this._drawProblem(counts.next);
        this._drawTable();
        if (isOver && this._button.is(document.activeElement)) {
            this._dialog.find('.modal-footer button').first().focus();  // "Close"
        }
        this._button.toggle(!isOver);
        if (isOver && this._said.text() === '') {
            this._said.text(line);
        }
    };

    TableView.prototype._drawProblem = function (next) {
        var problem = this._runs.problem;
        this._problem.toggle(Boolean(problem)).text(!problem ? '' : i18n.msg.sprintf(
            i18n.msg._("%1$s Rows waiting to be sent: %2$d. They are sent when the server accepts them, as long as this "
                       + "dialog is open."), problem.message, next));
    };

    /** The rows as texts, the names first: values, state, duration, and a column for each result of a notebook. */
    TableView.prototype._texts = function () {
        var names = this._table.names, results = [];
        this._runs.rows.forEach(function (row) {
            Object.keys((row.model || {}).results || {}).forEach(function (name) {
                if (results.indexOf(name) === -1) {
                    results.push(name);
                }
            });
        });
        var head = ['#'].concat(names, i18n.msg._("State"), i18n.msg._("Duration"), results);
        return [head].concat(this._runs.rows.map(function (row, index) {
            var model = row.model || {}, values = model.results || {};
            return [String(index + 1)].concat(
                names.map(function (name) { return row.fields[name] || ''; }), describe(row),
                model.completed_at && model.started_at ? texts.duration(model.completed_at - model.started_at) : '',
                results.map(function (name) { return name in values ? jsonText.textOf(values[name]) : ''; }));
        }));
    };

    var describe = function (row) {
        var state = tableRuns.stateOf(row);
        if (state === 'failed') {
            var message = row.error ? row.error.message : texts.errorLine(row.model).replace(/:\s*$/, '');
            return texts.stateNames.failed + ': ' + message;
        }
        return state === 'next' ? i18n.msg._("Not sent yet") : texts.stateNames[state];
    };

    TableView.prototype._drawTable = function () {
        var rows = this._texts(), content = JSON.stringify(rows);
        if (content === this._drawn) {
            return;
        }
        this._drawn = content;
        parts.redraw(this._results, this._fillTable.bind(this, rows));
    };

    TableView.prototype._fillTable = function (rows) {
        var baseUrl = this._client.baseUrl, runs = this._runs;
        var head = $('<tr>').append(rows[0].map(function (name) { return $('<th>').attr('scope', 'col').text(name); }));
        this._results.empty().append($('<table>').addClass('table table-condensed').append(
            $('<thead>').append(head),
            $('<tbody>').append(rows.slice(1).map(function (row, index) {
                var model = runs.rows[index].model;
                return $('<tr>').append(row.map(function (text, column) {
                    return column || !model ? $('<td>').text(text) : $('<td>').append($('<a>').attr({
                        href: executionAddress.of(baseUrl, model.exec_id), target: '_blank', rel: 'noopener',
                        'aria-label': i18n.msg.sprintf(i18n.msg._("%s: details"), text)}).text(text));
                }));
            }))));
    };

    /** Copy the table for a spreadsheet. */
    TableView.prototype._copyTable = function () {
        var area = $('<textarea>').val(valueTable.write(this._texts())).appendTo(this._body);
        area[0].select();
        this._said.removeClass('sr-only').text(document.execCommand('copy') ? i18n.msg._("Copied")
            : i18n.msg._("This browser does not allow copying"));
        area.remove();
        this._copy.focus();
    };

    return {TableView: TableView};
});
