/**
 * Draws the list of all executions, with its filter; the only file that knows the selectors of the list.
 *
 * A row is drawn once and then changed in place, so that focus stays where it is. Only the first rows are drawn, more when
 * the end of the list comes into sight: a thousand records cost no more than a screenful.
 */
define([
    'jquery', 'base/js/namespace', 'base/js/i18n', './texts', './execution_model', './parts'
], function ($, Jupyter, i18n, texts, executionModel, parts) {
    "use strict";

    var PAGE = 60;  // rows that are drawn at once
    var TICK = 1000;
    var FILTERS = [
        {name: 'all', label: i18n.msg._("All"), states: null},
        {name: 'waiting', label: i18n.msg._("Waiting"), states: ['starting']},
        {name: 'running', label: i18n.msg._("Running"), states: ['running']},
        {name: 'completed', label: i18n.msg._("Completed"), states: ['completed']},
        {name: 'failed', label: i18n.msg._("Failed"), states: ['failed']},
        {name: 'stopped', label: i18n.msg._("Stopped"), states: ['stopped']}
    ];
    var COLUMNS = [
        {name: 'name', label: i18n.msg._("Notebook")},
        {name: 'parameters', label: i18n.msg._("Parameters")},
        {name: 'state', label: i18n.msg._("State")},
        {name: 'started', label: i18n.msg._("Started")},
        {name: 'duration', label: i18n.msg._("Duration")},
        {name: 'buttons', label: i18n.msg._("Actions")}
    ];

    /**
     * @constructor
     * @param {jQuery} element - where the list is drawn
     * @param {Object} options
     * @param {ExecutionList} options.list
     * @param {Actions} options.actions
     * @param {function(Object)} options.onDetails - called with the model whose details are asked for
     */
    var ListView = function (element, options) {
        this._element = element;
        this._list = options.list;
        this._actions = options.actions;
        this._onDetails = options.onDetails;
        this._filter = FILTERS[0];
        this._words = [];
        this._drawn = PAGE;
        this._rows = {};  // by id
        this._states = {};  // what was last said of an execution
        this._due = null;
        this._loaded = false;
        this._create();
        this._bind();
    };

    // -- what is drawn once ----------------------------------------------------------------------------------------

    ListView.prototype._create = function () {
        var that = this;
        this._search = $('<input>').attr({type: 'search', id: 'nbexec_search', 'class': 'form-control input-sm',
                                          placeholder: i18n.msg._("Filter by name, folder, parameter or error")});
        this._statesGroup = $('<div>').addClass('btn-group').attr({role: 'group',
                                                                    'aria-label': i18n.msg._("Show executions by state")});
        FILTERS.forEach(function (filter) {
            $('<button>').attr({type: 'button', 'aria-pressed': filter === that._filter}).data('filter', filter)
                .addClass('btn btn-default btn-xs').append($('<span>').text(filter.label), ' ',
                                                           $('<span>').addClass('nbexec-count'))
                .appendTo(that._statesGroup);
        });
        this._deleteFinished = parts.button('btn-default btn-xs', i18n.msg._("Delete finished…"), function () {
            that._actions.removeFinished(that._shown(), that._isFiltered(), this);
        }, 'fa-trash');
        this._element.append(
            $('<div>').addClass('nbexec-toolbar list_toolbar').append(
                $('<label>').addClass('sr-only').attr('for', 'nbexec_search').text(i18n.msg._("Filter executions")),
                this._search, this._statesGroup, this._deleteFinished));

        var header = $('<tr>').attr('role', 'row');
        COLUMNS.forEach(function (column) {
            $('<th>').attr({scope: 'col', role: 'columnheader'}).addClass('nbexec-' + column.name)
                .append($('<span>').toggleClass('sr-only', column.name === 'buttons').text(column.label)).appendTo(header);
        });
        this._body = $('<tbody>').attr('role', 'rowgroup');
        this._table = $('<table>').addClass('table nbexec-list').attr('role', 'table').append(
            $('<caption>').addClass('sr-only').text(i18n.msg._("Executions, the newest first")),
            $('<thead>').attr('role', 'rowgroup').append(header), this._body);
        this._empty = $('<div>').addClass('nbexec-empty');
        this._more = parts.button('btn-default btn-sm', '', function () { that._drawMore(); });
        this._status = parts.announcement();
        this._element.append(this._table, this._empty.text(i18n.msg._("Loading…")),
                             $('<div>').addClass('nbexec-more').append(this._more.hide()), this._status);
    };

    ListView.prototype._bind = function () {
        var that = this;
        this._search.on('input', function () {
            that._words = that._search.val().toLowerCase().split(/\s+/).filter(Boolean);
            that._drawn = PAGE;
            that.draw();
        });
        this._statesGroup.on('click', 'button', function () {
            that._filter = $(this).data('filter');
            that._statesGroup.children().each(function () {
                $(this).attr('aria-pressed', String($(this).data('filter') === that._filter));
            });
            that._drawn = PAGE;
            that.draw();
        });
        if (window.IntersectionObserver) {
            new IntersectionObserver(function (entries) {
                if (entries[0].isIntersecting && that._more.is(':visible')) {
                    that._drawMore();
                }
            }, {rootMargin: '300px'}).observe(this._more.parent()[0]);
        }
        this._body.on('click', 'a.nbexec-details', function (event) {
            if (!(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)) {
                event.preventDefault();
                that._onDetails(that._modelOf(this));
            }
        });
        this._body.on('click', '.nbexec-primary', function () {
            var model = that._modelOf(this);
            primaryOf(model).act(that._actions, model, this);
        });
        // Bootstrap's own handler stands higher up and opens what is filled in here; also for the keyboard.
        this._body.on('click', '.dropdown-toggle', function () {
            that._fillMenu($(this).next('.dropdown-menu'), that._modelOf(this), this);
        });
        setInterval(this._tick.bind(this), TICK);
    };

    ListView.prototype._modelOf = function (element) {
        return this._list.get($(element).closest('tr').data('id'));
    };

    // -- what changes ----------------------------------------------------------------------------------------------

    /** Draw what has changed: the executions with these ids, or all; in the next frame, for events come in swarms. */
    ListView.prototype.update = function (ids) {
        var that = this;
        this._loaded = true;
        this._sayChanges(ids);
        this._changed = ids && this._changed !== null ? (this._changed || []).concat(ids) : null;
        if (this._due === null) {
            // A page that is not seen has no frames, and needs none.
            this._due = window.requestAnimationFrame(function () {
                that._due = null;
                that._drawChanges(that._changed);
                that._changed = [];
            });
        }
    };

    ListView.prototype._drawChanges = function (ids) {
        var that = this;
        if (ids === null) {
            return this.draw();
        }
        var seen = {}, simple = ids.every(function (id) {
            if (!seen[id]) {
                seen[id] = true;
                var model = that._list.get(id), row = that._rows[id];
                if (!model || !row || !that._matches(model)) {
                    return false;  // it came, went, or is not to be shown any more
                }
                that._fill(row, model);
            }
            return true;
        });
        if (simple) {
            this._drawCounts();
        } else {
            this.draw();
        }
    };

    /** Draw the list anew; rows which are there stay the same elements. */
    ListView.prototype.draw = function () {
        var that = this, shown = this._shown(), first = shown.slice(0, this._drawn), wanted = {};
        first.forEach(function (model) { wanted[model.exec_id] = true; });
        Object.keys(this._rows).forEach(function (id) {
            if (!wanted[id]) {
                that._removeRow(id);
            }
        });
        var place = this._body[0].firstChild;
        first.forEach(function (model) {
            var row = that._rows[model.exec_id] || that._createRow(model);
            that._fill(row, model);
            if (row.element[0] === place) {
                place = place.nextSibling;
            } else {
                that._body[0].insertBefore(row.element[0], place);
            }
        });
        this._more.toggle(shown.length > first.length).text(i18n.msg.sprintf(
            i18n.msg._("Show more (%d of %d are shown)"), first.length, shown.length));
        this._table.toggle(first.length > 0);
        this._drawEmpty(first.length === 0);
        this._drawCounts();
    };

    ListView.prototype._drawMore = function () {
        this._drawn += PAGE;
        this.draw();
    };

    ListView.prototype._drawEmpty = function (isEmpty) {
        this._empty.toggle(isEmpty);
        if (!isEmpty || !this._loaded) {
            return;
        }
        if (this._isFiltered()) {
            this._empty.text(i18n.msg._("No execution matches the filter."));
        } else {
            this._empty.empty().append(
                $('<p>').append($('<strong>').text(i18n.msg._("There are no executions."))),
                $('<p>').text(i18n.msg._(
                    "Select a notebook in the tab \"Files\" and choose \"Run with parameters…\", or use the same button in "
                    + "a notebook. Executions continue in the background, even if you close the page. They are listed here "
                    + "with their results.")),
                $('<p>').text(i18n.msg._(
                    "They stay listed until they are deleted or the server stops. The option c.NbExec.database_filepath "
                    + "keeps them longer.")));
        }
    };

    ListView.prototype._drawCounts = function () {
        var counts = {all: 0}, that = this;
        this._list.all().forEach(function (model) {
            var state = executionModel.stateOf(model);
            if (that._matchesWords(model)) {
                counts.all += 1;
                counts[state] = (counts[state] || 0) + 1;
            }
        });
        this._statesGroup.children().each(function () {
            var states = $(this).data('filter').states || ['all'];
            var count = states.reduce(function (sum, state) { return sum + (counts[state] || 0); }, 0);
            $(this).find('.nbexec-count').text(count);
        });
        var finished = this._shown().some(executionModel.isFinal);
        this._deleteFinished.prop('disabled', !finished);
    };

    /** Put the focus on an execution. */
    ListView.prototype.focus = function (id) {
        if (this._rows[id]) {
            this._rows[id].element.find('a.nbexec-details').focus();
        }
    };

    // -- the filter ------------------------------------------------------------------------------------------------

    ListView.prototype._isFiltered = function () {
        return this._filter.states !== null || this._words.length > 0;
    };

    ListView.prototype._matchesWords = function (model) {
        if (!this._words.length) {
            return true;
        }
        var text = [model.path, texts.parametersOf(model), executionModel.errorOf(model), model.output_path || '']
            .join('\n').toLowerCase();
        return this._words.every(function (word) { return text.indexOf(word) !== -1; });
    };

    ListView.prototype._matches = function (model) {
        var states = this._filter.states;
        return (!states || states.indexOf(executionModel.stateOf(model)) !== -1) && this._matchesWords(model);
    };

    ListView.prototype._shown = function () {
        return this._list.all().filter(this._matches.bind(this));
    };

    // -- rows ------------------------------------------------------------------------------------------------------

    ListView.prototype._createRow = function (model) {
        var row = {element: $('<tr>').attr('role', 'row').data('id', model.exec_id)}, cells = {};
        COLUMNS.forEach(function (column) {
            cells[column.name] = $('<td>').attr('role', 'cell').addClass('nbexec-' + column.name).appendTo(row.element);
        });
        var name = texts.nameOf(model.path), parameters = texts.parametersOf(model);
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
        this._rows[model.exec_id] = row;
        return row;
    };

    /** Bring a row up to date. */
    ListView.prototype._fill = function (row, model) {
        var running = model.status === 'executing';
        if (row.model !== model) {
            var state = executionModel.stateOf(model), error = texts.errorLine(model);
            row.model = model;
            parts.fillLabel(row.label, state);
            row.cell.text(running ? texts.cellOf(model) : '');
            row.progress.element.toggle(running);
            row.progress.set(executionModel.percentOf(model), texts.cellOf(model));
            row.error.toggle(state === 'failed').text(error).attr('title', error);
            var primary = primaryOf(model);
            row.primary.text(primary.label).toggleClass('nbexec-hidden', !primary.act)
                .attr('aria-label', primary.label + ': ' + texts.nameOf(model.path));
        }
        var duration = this._list.durationOf(model);
        setText(row.duration, duration === null ? '' : executionModel.isFinal(model) ? texts.duration(duration)
            : texts.durationSoFar(duration));
        if (model.started_at !== null) {
            setText(row.started, texts.ago(model.started_at));
            row.started.attr('title', texts.momentOf(model.started_at));
        }
    };

    ListView.prototype._removeRow = function (id) {
        var element = this._rows[id].element;
        if (element[0].contains(document.activeElement)) {
            var next = element.next().length ? element.next() : element.prev();
            (next.length ? next.find('a.nbexec-details') : this._search).focus();
        }
        element.remove();
        delete this._rows[id];
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

    ListView.prototype._fillMenu = function (menu, model, button) {
        var that = this, actions = this._actions;
        menu.empty();
        var link = function (label, path) {
            $('<li>').append($('<a>').attr({href: actions.urlOf(path), target: Jupyter._target}).text(label)).appendTo(menu);
        };
        var entry = function (label, act) {
            $('<li>').append($('<a>').attr({href: '#', role: 'button'}).text(label).click(function (event) {
                event.preventDefault();
                act();
            })).appendTo(menu);
        };
        var divider = function () { $('<li>').attr('role', 'separator').addClass('divider').appendTo(menu); };
        entry(i18n.msg._("Details"), function () { that._onDetails(model); });
        if (model.output_path && executionModel.isFinal(model)) {
            $('<li>').append(actions.resultLink(model.output_path, i18n.msg._("Open result"))).appendTo(menu);
        }
        link(i18n.msg._("Open notebook"), model.path);
        divider();
        entry(i18n.msg._("Run again"), function () { actions.again(model, button); });
        entry(i18n.msg._("Run again with changes…"), function () { actions.change(model, button); });
        divider();
        entry(i18n.msg._("Delete…"), function () { actions.remove(model, button); });
    };

    /** Times go on without an event. */
    ListView.prototype._tick = function () {
        if (document.hidden || !this._element.is(':visible')) {
            return;
        }
        var that = this, minute = Math.floor(Date.now() / 60000), all = minute !== this._minute;
        this._minute = minute;
        Object.keys(this._rows).forEach(function (id) {
            var model = that._rows[id].model;
            // "seconds ago" changes in the first minute only
            if (all || !executionModel.isFinal(model) || Date.now() / 1000 - model.started_at < 120) {
                that._fill(that._rows[id], model);
            }
        });
    };

    /** Tell those who do not see the list what has begun and ended. */
    ListView.prototype._sayChanges = function (ids) {
        var that = this;
        (ids || []).forEach(function (id) {
            var model = that._list.get(id), state = model && executionModel.stateOf(model);
            if (state && that._states[id] !== state) {
                that._status.text(texts.nameOf(model.path) + ': ' + texts.stateNames[state]);
            }
            that._states[id] = state;
        });
    };

    var setText = function (element, text) {
        if (element[0].textContent !== text) {
            element[0].textContent = text;
        }
    };

    return {ListView: ListView};
});
