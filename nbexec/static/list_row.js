/**
 * Draws one execution of the list; the only file that knows the selectors of a row.
 */
define([
    'jquery', 'base/js/namespace', 'base/js/i18n', './texts', './execution_model', './parts'
], function ($, Jupyter, i18n, texts, executionModel, parts) {
    "use strict";

    var COLUMNS = [
        {name: 'tick', label: i18n.msg._("Select")},
        {name: 'name', label: i18n.msg._("Notebook")},
        {name: 'parameters', label: i18n.msg._("Parameters")},
        {name: 'state', label: i18n.msg._("State")},
        {name: 'started', label: i18n.msg._("Started")},
        {name: 'duration', label: i18n.msg._("Duration")},
        {name: 'buttons', label: i18n.msg._("Actions")}
    ];

    /**
     * @constructor
     * @param {Object} model
     */
    var ListRow = function (model) {
        var row = this, cells = {};
        this.element = $('<tr>').attr('role', 'row').data('id', model.exec_id);
        COLUMNS.forEach(function (column) {
            cells[column.name] = $('<td>').attr('role', 'cell').addClass('nbexec-' + column.name).appendTo(row.element);
        });
        var name = texts.nameOf(model.path), parameters = texts.parametersOf(model);
        row.tick = $('<input>').attr({type: 'checkbox', 'aria-label': i18n.msg.sprintf(i18n.msg._("Select %s"), name)})
            .appendTo(cells.tick);
        cells.name.append(
            $('<i>').addClass('item_icon notebook_icon icon-fixed-width').attr('aria-hidden', 'true'),
            $('<div>').append(
                $('<a>').addClass('nbexec-details').attr({href: '#executions/' + encodeURIComponent(model.exec_id),
                                                          title: i18n.msg._("Show details")}).text(name),
                $('<div>').addClass('nbexec-folder').text(texts.folderOf(model.path))));
        cells.parameters.append($('<div>').addClass('nbexec-clip').attr('title', parameters).text(parameters));
        row.label = $('<span>').addClass('label');
        row.cell = $('<span>').addClass('nbexec-cell-number');
        row.progress = new parts.ProgressBar();
        row.error = $('<div>').addClass('nbexec-clip nbexec-error-line');
        cells.state.append(row.label, ' ', row.cell, row.progress.element, row.error);
        row.started = cells.started;
        row.duration = cells.duration;
        row.primary = parts.button('btn-default btn-xs nbexec-primary', '');
        cells.buttons.append($('<div>').addClass('btn-group').append(
            row.primary,
            $('<button>').addClass('btn btn-default btn-xs dropdown-toggle').attr({
                type: 'button', 'data-toggle': 'dropdown', 'aria-haspopup': 'true', 'aria-expanded': 'false',
                'aria-label': i18n.msg.sprintf(i18n.msg._("More actions for %s"), name)
            }).append($('<span>').addClass('caret')),
            $('<ul>').addClass('dropdown-menu dropdown-menu-right')));
    };

    /** Bring a row up to date. */
    ListRow.prototype.fill = function (model, duration) {
        if (this.model !== model) {
            this._setModel(model);
        }
        parts.setText(this.duration, duration === null ? '' : executionModel.isFinal(model) ? texts.duration(duration)
            : texts.durationSoFar(duration));
        if (model.started_at !== null) {
            parts.setText(this.started, texts.ago(model.started_at));
        }
    };

    /** Take another model: as a rule of the same state, with the next cell. */
    ListRow.prototype._setModel = function (model) {
        var before = this.model, isRunning = model.status === 'executing', cell = texts.cellOf(model);
        this.model = model;
        parts.setText(this.cell, isRunning ? cell : '');
        this.progress.set(executionModel.percentOf(model), cell);
        if (!before || before.status !== model.status || before.output_path !== model.output_path) {
            this._setState(executionModel.stateOf(model), isRunning);
        }
        if (model.started_at !== null && !(before && before.started_at === model.started_at)) {
            this.started.attr('title', texts.momentOf(model.started_at));
        }
    };

    ListRow.prototype._setState = function (state, isRunning) {
        var error = texts.errorLine(this.model), primary = primaryOf(this.model);
        parts.fillLabel(this.label, state);
        this.progress.element.toggle(isRunning);
        this.error.toggle(state === 'failed').text(error).attr('title', error);
        this.primary.text(primary.label).toggleClass('nbexec-hidden', !primary.act)
            .attr('aria-label', primary.label + ': ' + texts.nameOf(this.model.path));
    };

    /** What stands on the button of a row, by state. */
    var primaryOf = function (model) {
        var state = executionModel.stateOf(model);
        if (!executionModel.isFinal(model)) {
            return {label: i18n.msg._("Stop"), act: function (actions, model, button) { actions.stop(model, button); }};
        }
        if (state === 'failed') {
            return {label: i18n.msg._("Show error"),
                    act: function (actions, model, button) { actions.showError(model, button); }};
        }
        return {label: i18n.msg._("Open result"),
                act: model.output_path && function (actions, model, button) { actions.open(model.output_path, button); }};
    };

    /** Do what the button of the row says. */
    ListRow.prototype.act = function (actions) {
        primaryOf(this.model).act(actions, this.model, this.primary[0]);
    };

    /** Fill the menu of the row when it is opened. */
    ListRow.prototype.fillMenu = function (button, actions, onDetails) {
        var model = this.model, menu = $(button).next('.dropdown-menu').empty();
        var link = function (label, path) {
            $('<li>').append($('<a>').attr({href: actions.urlOf(path), target: Jupyter._target}).text(label)).appendTo(menu);
        };
        var entry = function (label, act) {
            $('<li>').append($('<a>').attr({href: '#', role: 'button'}).text(label).click(function (event) {
                event.preventDefault();
                act();
            })).appendTo(menu);
        };
        var divider = function () { $('<li>').attr('aria-hidden', 'true').addClass('divider').appendTo(menu); };
        entry(i18n.msg._("Details"), function () { onDetails(model); });
        if (model.output_path && executionModel.isFinal(model)) {
            $('<li>').append(actions.resultLink(model.output_path, i18n.msg._("Open result"))).appendTo(menu);
        }
        link(i18n.msg._("Open notebook"), model.path);
        divider();
        entry(i18n.msg._("Run again"), function () { actions.again(model, button); });
        entry(i18n.msg._("Run again with changes…"), function () { actions.change(model, button); });
        entry(i18n.msg._("Run a table of values…"), function () { actions.runTable(model, button); });
        divider();
        entry(i18n.msg._("Delete…"), function () { actions.remove(model, button); });
    };

    return {ListRow: ListRow, columns: COLUMNS};
});
