/**
 * Draws the cells of an execution, from its events: along the time, and one below the other with source and output. They can
 * be searched and sorted, and the running one can be kept in sight.
 */
define([
    'jquery', 'base/js/i18n', './live_outputs', './texts', './execution_model', './parts', './timeline_view', './cell_view',
    './cell_tools'
], function ($, i18n, liveOutputs, texts, executionModel, parts, timelineView, cellView, cellTools) {
    "use strict";

    var LONG = 0.7;  // seconds after which a cell that runs is opened by itself
    var MANY = 300, PAUSE = 1000;  // cells, milliseconds
    var MOST_OUTPUT = 64 * 1024 * 1024;  // characters that are kept of all cells together
    var SUMMARY = 300;  // characters of output in the picture's hint

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     */
    var LogView = function (element) {
        var that = this;
        this._cells = [];
        this._views = {};  // by the number of the cell
        this._drawn = 0;  // number of cells
        this._length = 0;  // characters of output that are kept
        this._forgotten = 0;  // number of cells, the first ones, whose output is not
        this._isEnded = false;
        this._pictured = 0;  // when the picture was drawn
        this._heading = $('<h4>').text(i18n.msg._("Timeline"));
        this._picture = $('<div>');
        this._note = $('<p>').addClass('nbexec-note');
        this._list = $('<div>').addClass('nbexec-cells');
        this._timeline = new timelineView.TimelineView(this._picture, {onSelect: function (cell) {
            that._show(cell.number);
        }});
        element.append(this._heading, this._picture, this._note);
        this._tools = new cellTools.CellTools(element, {onChange: function () { that._arrange(); },
                                                        onFailed: function () { that.showFailed(); },
                                                        onFollow: function () { that._follow(); }});
        element.append(this._list);
    };

    LogView.prototype.isEmpty = function () {
        return this._cells.length === 0;
    };

    // -- the events ------------------------------------------------------------------------------------------------

    LogView.prototype.take = function (event) {
        if (event.event === 'start') {
            this._startCell(event);
        } else if (event.event === 'output') {
            var view = this._views[numberOf(event)];
            if (view) {
                view.takeOutput(event);
            }
        } else if (event.event === 'end') {
            this._endCell(event);
        } else if (event.event === 'notebook_complete' || event.event === 'notebook_error') {
            this._end(event);
        }
    };

    LogView.prototype._startCell = function (event) {
        var before = this._cells[this._cells.length - 1];
        if (before) {
            this._views[before.number].closeIfForNow();
        }
        var cell = {number: numberOf(event), source: texts.joined(event.cell.source), state: 'running',
                    begin: timeOf(event, 'start_time'), end: null, outputs: null};
        this._cells.push(cell);
        this._views[cell.number] = new cellView.CellView(cell);
    };

    LogView.prototype._endCell = function (event) {
        var cell = this._cells[this._cells.length - 1];
        if (!cell || cell.number !== numberOf(event)) {
            return;
        }
        cell.state = 'done';
        cell.end = timeOf(event, 'end_time');
        cell.outputs = liveOutputs.atEnd(event);
        cell.summary = summaryOf(cell.outputs);
        this._views[cell.number].end();
        this._length += liveOutputs.lengthOf(cell.outputs);
        this._forget();
    };

    /** Forget the output of the first cells if there is too much of all together; the last cell keeps its own. */
    LogView.prototype._forget = function () {
        while (this._length > MOST_OUTPUT && this._forgotten < this._cells.length - 1) {
            var cell = this._cells[this._forgotten];
            this._forgotten += 1;
            if (cell.outputs && cell.outputs.length) {
                this._length -= liveOutputs.lengthOf(cell.outputs);
                cell.outputs = [liveOutputs.LEFT_OUT];
            }
        }
    };

    /** The execution has ended: the last cell is where it failed or was stopped, also if its `end` came before. */
    LogView.prototype._end = function (event) {
        var cell = this._cells[this._cells.length - 1];
        this._isEnded = true;
        if (event.event === 'notebook_error' && cell) {
            var stopped = event.execution && executionModel.stateOf(event.execution) === 'stopped';
            cell.state = stopped ? 'stopped' : 'failed';
            if (cell.end === null) {
                cell.end = Math.max(event.timestamp, cell.begin);
            }
            if (!stopped) {
                this._views[cell.number].open();
            }
        }
    };

    // -- drawing ---------------------------------------------------------------------------------------------------

    /** Bring picture and cells up to date. */
    LogView.prototype.draw = function (model, now) {
        this._drawCells(model, now);
        this._heading.add(this._picture).toggle(!this.isEmpty());
        if (!this.isEmpty() && this._isPictureDue()) {
            var end = executionModel.isFinal(model) && model.completed_at !== null ? model.completed_at : now;
            this._timeline.draw(this._cells, model.started_at, Math.max(end, model.started_at));
        }
        this._note.text(this._noteOf(model));
        this._tools.draw(this._cells, executionModel.isFinal(model));
    };

    /** Of a great many bars the places are found anew once a second only. */
    LogView.prototype._isPictureDue = function () {
        if (this._cells.length > MANY && !this._isEnded && Date.now() - this._pictured < PAUSE) {
            return false;
        }
        this._pictured = Date.now();
        return true;
    };

    LogView.prototype._drawCells = function (model, now) {
        var views = this._views, that = this, isNew = this._drawn < this._cells.length;
        var wasSeen = this._isLastSeen();  // somebody who has scrolled away reads something else
        // Many cells may have come, which are put into the page together.
        this._list.append(this._cells.slice(this._drawn).map(function (cell) { return views[cell.number].element; }));
        // Only the last one drawn, and those after it, can have changed.
        this._cells.slice(Math.max(this._drawn - 1, 0)).forEach(function (cell) {
            views[cell.number].draw(now);
            // While past events come in, a cell looks as if it ran until its end comes, too.
            var runs = cell.state === 'running' && !executionModel.isFinal(model);
            if (runs && parseInt(model.progress, 10) === cell.number && now - cell.begin > LONG && !cell.wasOpened) {
                cell.wasOpened = true;
                views[cell.number].openForNow();
                that._isToFollow = true;
            }
        });
        this._drawn = this._cells.length;
        if (isNew && this._tools.isFiltered()) {
            this._arrange();
        }
        if ((isNew || this._isToFollow) && wasSeen && this._tools.isFollowing() && !executionModel.isFinal(model)) {
            this._isToFollow = false;
            this._follow();
        }
    };

    LogView.prototype._isLastSeen = function () {
        var last = this._cells[Math.min(this._drawn, this._cells.length) - 1];
        return Boolean(last) && this._views[last.number].isSeen();
    };

    /** Bring the running cell into sight. */
    LogView.prototype._follow = function () {
        if (!this.isEmpty()) {
            this._views[this._cells[this._cells.length - 1].number].scrollTo();
        }
    };

    LogView.prototype._noteOf = function (model) {
        if (!this.isEmpty()) {
            return '';
        }
        if (model.progress && !this._isEnded) {
            return i18n.msg._("Loading the cells…");
        }
        if (!executionModel.isFinal(model)) {
            return model.status === 'initializing'
                ? i18n.msg._("Waiting for its turn or for its kernel.") : i18n.msg._("The kernel is starting.");
        }
        if (this._isEnded) {
            return model.progress
                ? i18n.msg._("The cells cannot be shown: the result can no longer be read.")
                : i18n.msg._("No cell was run.");
        }
        return '';
    };

    /** Show the cells that are searched for, in the order that is asked for. */
    LogView.prototype._arrange = function () {
        var list = this._list, views = this._views, tools = this._tools;
        var places = tools.sorted(this._cells).map(function (cell) {
            return views[cell.number].element.toggle(tools.matches(cell))[0];
        });
        places.forEach(function (element, index) {
            if (list[0].children[index] !== element) {
                list[0].insertBefore(element, list[0].children[index] || null);
            }
        });
    };

    LogView.prototype._show = function (number) {
        this._views[number].element.show();
        this._views[number].show();
    };

    /** Go to the cell at which the execution failed. */
    LogView.prototype.showFailed = function () {
        var failed = this._cells.filter(function (cell) { return cell.state === 'failed'; })[0];
        this._show((failed || this._cells[this._cells.length - 1]).number);
    };

    // -- events and cells --------------------------------------------------------------------------------------------

    var numberOf = function (event) {
        return parseInt(event.progress, 10);
    };

    /** When the cell began or ended; the event itself came a little later. */
    var timeOf = function (event, name) {
        var noted = event.cell.metadata && event.cell.metadata.nbexec && event.cell.metadata.nbexec[name];
        return noted ? Date.parse(noted) / 1000 : event.timestamp;
    };

    /** The text of the last output, shortened. */
    var summaryOf = function (outputs) {
        var text = outputs.length ? texts.ofOutput(outputs[outputs.length - 1]).trim() : '';
        return text.length > SUMMARY ? text.slice(0, SUMMARY) + '…' : text;
    };

    return {LogView: LogView};
});
