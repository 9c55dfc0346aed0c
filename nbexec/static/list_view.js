/**
 * Draws the list of all executions: its heads, which sort it, and as many rows as are seen.
 *
 * A row is drawn once and then changed in place, so that focus stays where it is. Only the first rows are drawn, more when
 * the end of the list comes into sight: ten thousand records cost no more than a screenful.
 */
define([
    'jquery', 'base/js/i18n', './texts', './execution_model', './parts', './list_row', './list_filter', './list_query',
    './list_selection', './paced_drawing'
], function ($, i18n, texts, executionModel, parts, listRow, listFilter, listQuery, listSelection, pacedDrawing) {
    "use strict";

    var PAGE = 100;  // rows that are drawn at once
    var TICK = 1000;
    var NEWEST = '-started';  // the order of the list itself
    var FIRST_ORDER = {name: 'name', parameters: 'parameters', state: 'state', started: NEWEST, duration: '-duration'};

    /**
     * @constructor
     * @param {jQuery} element - where the list is drawn
     * @param {Object} options
     * @param {ExecutionList} options.list
     * @param {Actions} options.actions
     * @param {function(Object)} options.onDetails - called with the model whose details are asked for
     * @param {function(string)} options.onAddress - called with the address of something else that is asked for
     * @param {function(string)} options.onQuery - called with the address of the list when it shows something else
     */
    var ListView = function (element, options) {
        this._element = element;
        this._list = options.list;
        this._actions = options.actions;
        this._options = options;
        this._sort = '';
        this._drawn = PAGE;
        this._rows = {};  // by id
        this._states = {};  // what was last said of an execution
        this._changed = [];  // ids of what is still to be drawn, null for all
        this._drawing = new pacedDrawing.PacedDrawing(this._drawChanges.bind(this), 5);
        this._isLoaded = false;
        this._createToolbar();
        this._createTable();
        this._bind();
    };

    // -- what is drawn once ----------------------------------------------------------------------------------------

    ListView.prototype._createToolbar = function () {
        var that = this, toolbar = $('<div>').addClass('nbexec-toolbar list_toolbar').appendTo(this._element);
        this._filter = new listFilter.ListFilter(toolbar, this._onQuery.bind(this));
        parts.button('btn-default btn-xs nbexec-delete-finished', i18n.msg._("Delete finished…"), function () {
            that._actions.removeFinished(that._shown(), that._filter.isSet(), this);
        }, 'fa-trash').appendTo(toolbar);
        this._deleteFinished = toolbar.find('.nbexec-delete-finished');
        this._selection = new listSelection.ListSelection(this._element, {
            actions: this._actions, onAddress: this._options.onAddress, onChange: this.draw.bind(this)});
    };

    ListView.prototype._createTable = function () {
        var that = this, header = $('<tr>').attr('role', 'row');
        this._heads = {};
        listRow.columns.forEach(function (column) {
            that._heads[column.name] = $('<th>').attr({scope: 'col', role: 'columnheader'})
                .addClass('nbexec-' + column.name).append(that._headOf(column)).appendTo(header);
        });
        this._body = $('<tbody>').attr('role', 'rowgroup');
        this._table = $('<table>').addClass('table nbexec-list').attr('role', 'table').append(
            $('<caption>').addClass('sr-only').text(i18n.msg._("Executions")),
            $('<thead>').attr('role', 'rowgroup').append(header), this._body);
        this._empty = $('<div>').addClass('nbexec-empty');
        this._more = parts.button('btn-default btn-sm', '', function () { that._drawMore(); });
        this._status = parts.announcement();
        this._element.append(this._table, this._empty.text(i18n.msg._("Loading…")),
                             $('<div>').addClass('nbexec-more').append(this._more.hide()), this._status);
    };

    /** A head that sorts, that ticks all, or that is only heard. */
    ListView.prototype._headOf = function (column) {
        if (column.name === 'tick') {
            this._all = $('<input>').attr({type: 'checkbox', 'aria-label': i18n.msg._("Select all")});
            return this._all;
        }
        if (!FIRST_ORDER[column.name]) {
            return $('<span>').addClass('sr-only').text(column.label);
        }
        return $('<button>').attr('type', 'button').addClass('nbexec-sort').data('name', column.name)
            .append($('<span>').text(column.label), ' ', parts.icon('fa-sort'));
    };

    ListView.prototype._bind = function () {
        var that = this;
        this._table.on('click', 'button.nbexec-sort', function () { that._sortBy($(this).data('name')); });
        this._all.change(function () { that._selection.setAll(that._shown(), this.checked); });
        this._body.on('change', 'input', function () {
            that._selection.set(that._rowOf(this).model.exec_id, this.checked);
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
                that._options.onDetails(that._rowOf(this).model);
            }
        });
        this._body.on('click', '.nbexec-primary', function () { that._rowOf(this).act(that._actions); });
        // Bootstrap's own handler stands higher up and opens what is filled in here; also for the keyboard.
        this._body.on('click', '.dropdown-toggle', function () {
            that._rowOf(this).fillMenu(this, that._actions, that._options.onDetails);
        });
        setInterval(this._tick.bind(this), TICK);
    };

    ListView.prototype._rowOf = function (element) {
        return this._rows[$(element).closest('tr').data('id')];
    };

    // -- what the list shows ---------------------------------------------------------------------------------------

    /** The address of the list as it is. */
    ListView.prototype.address = function () {
        return listQuery.addressOf($.extend({sort: this._sort}, this._filter.query()));
    };

    /** Show what an address asks for. */
    ListView.prototype.setQuery = function (query) {
        this._filter.set(query);
        this._sort = query.sort || '';
        this._drawn = PAGE;
        this.draw();
    };

    ListView.prototype._onQuery = function () {
        this._drawn = PAGE;
        this.draw();
        this._options.onQuery(this.address());
    };

    /** Sort by a column, the other way round if it is sorted by that already. */
    ListView.prototype._sortBy = function (name) {
        var now = this._sort || NEWEST, first = FIRST_ORDER[name];
        var sort = now !== first ? first : first.charAt(0) === '-' ? name : '-' + name;
        this._sort = sort === NEWEST ? '' : sort;
        this._onQuery();
    };

    ListView.prototype._matcher = function () {
        var query = this._filter.query(), matches = listQuery.matcherOf(query);
        return function (model) {
            return (!query.state || listFilter.stateOf(model) === query.state) && matches(model);
        };
    };

    ListView.prototype._shown = function () {
        var list = this._list;
        return listQuery.sorted(list.all().filter(this._matcher()), this._sort, list.durationOf.bind(list));
    };

    // -- what changes ----------------------------------------------------------------------------------------------

    /** Draw what has changed: the executions with these ids, or all; soon, for events come in swarms. */
    ListView.prototype.update = function (ids) {
        this._isLoaded = true;
        this._sayChanges(ids);
        this._changed = ids && this._changed ? this._changed.concat(ids) : null;
        this._drawing.soon();
    };

    /** Draw what has changed while the list was not to be seen. */
    ListView.prototype.show = function () {
        if (this._isStale) {
            this.draw();
        }
    };

    ListView.prototype._drawChanges = function () {
        var that = this, ids = this._changed, matches = this._matcher();
        this._changed = [];
        if (!this._element.is(':visible')) {
            this._isStale = true;
            return;
        }
        if (ids === null || this._sort) {
            return this.draw();
        }
        var seen = {}, simple = ids.every(function (id) {
            if (!seen[id]) {
                seen[id] = true;
                var model = that._list.get(id), row = that._rows[id];
                if (!model || !row || !matches(model)) {
                    return false;  // it came, went, or is not to be shown any more
                }
                that._fill(row, model);
            }
            return true;
        });
        if (simple) {
            this._drawCounts(this._shown());
        } else {
            this.draw();
        }
    };

    /** Draw the list anew; rows which are there stay the same elements. */
    ListView.prototype.draw = function () {
        var shown = this._shown(), first = shown.slice(0, this._drawn);
        this._isStale = false;
        this._drawRows(first);
        this._more.toggle(shown.length > first.length).text(i18n.msg.sprintf(
            i18n.msg._("Show more (%d of %d are shown)"), first.length, shown.length));
        this._table.toggle(first.length > 0);
        this._drawHeads();
        this._drawEmpty(first.length === 0);
        this._drawCounts(shown);
    };

    ListView.prototype._drawRows = function (models) {
        var that = this, wanted = {};
        models.forEach(function (model) { wanted[model.exec_id] = true; });
        Object.keys(this._rows).forEach(function (id) {
            if (!wanted[id]) {
                that._removeRow(id);
            }
        });
        var place = this._body[0].firstChild;
        models.forEach(function (model) {
            var row = that._rows[model.exec_id] = that._rows[model.exec_id] || new listRow.ListRow(model);
            that._fill(row, model);
            if (row.element[0] === place) {
                place = place.nextSibling;
            } else {
                that._body[0].insertBefore(row.element[0], place);
            }
        });
    };

    ListView.prototype._fill = function (row, model) {
        row.fill(model, this._list.durationOf(model));
        row.tick[0].checked = this._selection.has(model.exec_id);
    };

    ListView.prototype._drawMore = function () {
        this._drawn += PAGE;
        this.draw();
    };

    ListView.prototype._drawHeads = function () {
        var sort = this._sort || NEWEST, heads = this._heads;
        Object.keys(FIRST_ORDER).forEach(function (name) {
            var direction = sort === name ? 'ascending' : sort === '-' + name ? 'descending' : 'none';
            heads[name].attr('aria-sort', direction).find('.fa').attr('class', 'fa fa-fw fa-sort' + {
                ascending: '-asc', descending: '-desc', none: ''}[direction]);
        });
    };

    ListView.prototype._drawEmpty = function (isEmpty) {
        this._empty.toggle(isEmpty);
        if (!isEmpty || !this._isLoaded) {
            return;
        }
        if (this._list.isLoading()) {
            this._empty.text(i18n.msg._("Loading…"));
        } else if (this._filter.isSet()) {
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

    ListView.prototype._drawCounts = function (shown) {
        var counts = {}, matches = listQuery.matcherOf(this._filter.query()), all = 0;
        this._list.all().forEach(function (model) {
            if (matches(model)) {
                var state = listFilter.stateOf(model);
                all += 1;
                counts[state] = (counts[state] || 0) + 1;
            }
        });
        this._filter.setCounts(counts, all);
        this._deleteFinished.prop('disabled', !shown.some(executionModel.isFinal));
        var selected = this._selection.draw(shown, this._table.is(':visible') ? this._all : this._filter.search);
        this._all.prop({checked: selected > 0 && selected === shown.length,
                        indeterminate: selected > 0 && selected < shown.length});
    };

    /** Put the focus on an execution; returns whether it is shown. */
    ListView.prototype.focus = function (id) {
        if (this._rows[id]) {
            this._rows[id].element.find('a.nbexec-details').focus();
        }
        return Boolean(this._rows[id]);
    };

    /** Put the focus on what two ticked executions were compared with; returns whether any are ticked. */
    ListView.prototype.focusSelection = function () {
        return this._selection.focus();
    };

    ListView.prototype._removeRow = function (id) {
        var element = this._rows[id].element;
        if (element[0].contains(document.activeElement)) {
            var next = element.next().length ? element.next() : element.prev();
            (next.length ? next.find('a.nbexec-details') : this._filter.search).focus();
        }
        element.remove();
        delete this._rows[id];
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
            if (state) {
                that._states[id] = state;
            } else {
                delete that._states[id];
            }
        });
    };

    return {ListView: ListView};
});
