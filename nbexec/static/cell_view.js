/**
 * Draws one executed cell: a line that opens to its source and its output; the only file that knows the selectors of it.
 */
define([
    'jquery', 'base/js/i18n', 'codemirror/lib/codemirror', './live_outputs', './output_view', './texts', './parts',
    'codemirror/addon/runmode/runmode', 'notebook/js/codemirror-ipython'
], function ($, i18n, CodeMirror, liveOutputs, outputView, texts, parts) {
    "use strict";

    /**
     * @constructor
     * @param {Object} cell - as in `LogView`
     */
    var CellView = function (cell) {
        var id = 'nbexec_cell_' + cell.number;
        this._cell = cell;
        this._isOpen = false;
        this._isForNow = false;  // open because it ran, not because somebody opened it
        this._live = [];  // outputs while it runs
        this._isChanged = false;
        this._drawnState = null;
        this._icon = parts.icon('');
        this._duration = $('<span>').addClass('nbexec-cell-duration');
        this._state = $('<span>').addClass('sr-only');  // in words, for those who do not see the icon
        this._button = $('<button>').attr({type: 'button', 'aria-expanded': 'false', 'aria-controls': id})
            .addClass('nbexec-cell-line').append(
                this._icon, $('<span>').addClass('nbexec-cell-number').text(cell.number),
                $('<code>').text(firstLine(cell.source)), this._duration, this._state);
        this._body = $('<div>').attr('id', id).addClass('nbexec-cell-body').hide();
        this.element = $('<div>').addClass('nbexec-cell').append(this._button, this._body);
        this._button.click(this._toggle.bind(this));
    };

    CellView.prototype._toggle = function () {
        this._isForNow = false;
        if (this._isOpen) {
            this._isOpen = false;
            this._body.hide().empty();
        } else {
            this._open();
        }
        this._button.attr('aria-expanded', String(this._isOpen));
    };

    CellView.prototype.open = function () {
        if (!this._isOpen) {
            this._toggle();
        }
    };

    /** Open the cell because it runs. */
    CellView.prototype.openForNow = function () {
        if (!this._isOpen) {
            this._toggle();
            this._isForNow = true;
        }
    };

    /** Close the cell if it is open only because it ran, and nobody is in it. */
    CellView.prototype.closeIfForNow = function () {
        if (this._isForNow && !this.element[0].contains(document.activeElement)) {
            this._toggle();
        }
    };

    /** Open the cell, bring it into sight, and put the focus on it. */
    CellView.prototype.show = function () {
        this.open();
        this._button.focus();
        this.element[0].scrollIntoView({block: 'nearest'});
    };

    /** Whether some of the cell is in sight. */
    CellView.prototype.isSeen = function () {
        var box = this.element[0].getBoundingClientRect();
        return box.height > 0 && box.bottom > 0 && box.top < window.innerHeight;
    };

    /** Bring the end of the cell into sight, and leave the focus where it is. */
    CellView.prototype.scrollTo = function () {
        this.element[0].scrollIntoView({block: 'nearest'});
    };

    CellView.prototype._open = function () {
        this._isOpen = true;
        var label = i18n.msg.sprintf(i18n.msg._("Source of cell %d"), this._cell.number);
        var source = $('<pre>').addClass('nbexec-source cm-s-ipython')
            .attr({tabindex: 0, role: 'region', 'aria-label': label});
        CodeMirror.runMode(this._cell.source, 'ipython', source[0]);
        var outputLabel = i18n.msg.sprintf(i18n.msg._("Output of cell %d"), this._cell.number);
        this._box = $('<div>').addClass('nbexec-outputs').attr({tabindex: 0, role: 'region', 'aria-label': outputLabel});
        this._output = new outputView.OutputView(this._box);
        this._note = $('<p>').addClass('nbexec-note');
        this._body.append(source, this._box, this._note).show();
        this._drawOutputs();
    };

    CellView.prototype._drawOutputs = function () {
        var outputs = this._cell.outputs || this._live, isRunning = this._cell.state === 'running';
        this._box.toggle(outputs.length > 0);
        this._output.show(outputs, isRunning);
        this._note.text(outputs.length ? '' : isRunning ? i18n.msg._("No output yet.") : i18n.msg._("No output."));
    };

    /** Take an event with output of the cell while it runs. */
    CellView.prototype.takeOutput = function (event) {
        this._live = liveOutputs.after(this._live, event);
        this._isChanged = true;
    };

    /** Take all outputs of a cell that has ended. */
    CellView.prototype.end = function () {
        this._live = [];
        this._isChanged = true;
    };

    var ICONS = {running: 'fa-circle-o-notch fa-spin', done: 'fa-check', failed: 'fa-times', stopped: 'fa-stop'};

    /** Bring state, time and output up to date. */
    CellView.prototype.draw = function (now) {
        if (this._isChanged && this._isOpen) {
            this._drawOutputs();
        }
        this._isChanged = false;
        var cell = this._cell, state = cell.state + '/' + cell.end;
        parts.setText(this._duration, cell.end === null ? texts.durationSoFar(now - cell.begin)
            : texts.duration(cell.end - cell.begin));
        if (state !== this._drawnState) {
            this._drawnState = state;
            this._icon.attr('class', 'fa fa-fw ' + ICONS[cell.state]);
            this.element.attr('class', 'nbexec-cell nbexec-cell-' + cell.state);
            this._state.text(texts.stateNames[cell.state] || '');
        }
    };

    var firstLine = function (source) {
        return source.split('\n').filter(function (line) { return line.trim(); })[0] || '';
    };

    return {CellView: CellView};
});
