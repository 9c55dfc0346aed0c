/**
 * Draws one executed cell: a line that opens to its source and its output; the only file that knows the selectors of it.
 *
 * Outputs are shown by notebook's own renderer, as those of a notebook that is not trusted: nothing of them is run.
 */
define([
    'jquery', 'base/js/events', 'base/js/i18n', 'notebook/js/outputarea', 'codemirror/lib/codemirror',
    './safe_output', './timeline_view', './texts', './parts', 'codemirror/addon/runmode/runmode',
    'notebook/js/codemirror-ipython'
], function ($, events, i18n, outputarea, CodeMirror, safeOutput, timelineView, texts, parts) {
    "use strict";

    var PIECES = 2000;  // of live output that a cell keeps until it is opened

    /** @constructor */
    var CellView = function (element, cell) {
        var id = 'nbexec_cell_' + cell.number;
        this._cell = cell;
        this._isOpen = false;
        this._live = [];
        this._area = null;
        this._icon = parts.icon('');
        this._duration = $('<span>').addClass('nbexec-cell-duration');
        this._button = $('<button>').attr({type: 'button', 'aria-expanded': 'false', 'aria-controls': id})
            .addClass('nbexec-cell-line').append(
                this._icon, $('<span>').addClass('nbexec-cell-number').text(cell.number),
                $('<code>').text(firstLine(cell.source)), this._duration);
        this._body = $('<div>').attr('id', id).addClass('nbexec-cell-body').hide();
        this.element = $('<div>').addClass('nbexec-cell').append(this._button, this._body).appendTo(element);
        this._button.click(this.toggle.bind(this));
    };

    CellView.prototype.toggle = function () {
        if (this._isOpen) {
            this._isOpen = false;
            this._body.hide().empty();
            this._area = null;
        } else {
            this._open();
        }
        this._button.attr('aria-expanded', String(this._isOpen));
    };

    CellView.prototype.open = function () {
        if (!this._isOpen) {
            this.toggle();
        }
    };

    /** Open the cell, bring it into sight, and put the focus on it. */
    CellView.prototype.show = function () {
        this.open();
        this._button.focus();
        this.element[0].scrollIntoView({block: 'nearest'});
    };

    CellView.prototype._open = function () {
        this._isOpen = true;
        var label = i18n.msg.sprintf(i18n.msg._("Source of cell %d"), this._cell.number);
        var source = $('<pre>').addClass('nbexec-source cm-s-ipython')
            .attr({tabindex: 0, role: 'region', 'aria-label': label});
        CodeMirror.runMode(this._cell.source, 'ipython', source[0]);
        this._note = $('<p>').addClass('nbexec-note');
        this._outputs = $('<div>').addClass('nbexec-outputs');
        this._body.append(source, this._outputs, this._note).show();
        this._drawOutputs(this._cell.outputs || this._live);
    };

    CellView.prototype._drawOutputs = function (outputs) {
        this._area = new outputarea.OutputArea({
            selector: this._outputs.empty(), events: events, prompt_area: false,
            // The tree page has neither of them.
            config: {data: {}}, keyboard_manager: {register_events: function () {}}});
        this._area.trusted = false;
        this._append(outputs);
    };

    CellView.prototype._append = function (outputs) {
        outputs.forEach(function (output) {
            this._area.append_output(safeOutput(output));
        }, this);
        this._note.text(outputs.length || this._area.outputs.length ? ''
            : this._cell.state === 'running' ? i18n.msg._("No output yet.") : i18n.msg._("No output."));
    };

    /** Show output that a running cell has had since the last; with `replace` instead of all that. */
    CellView.prototype.add = function (outputs, replace) {
        this._live = (replace ? [] : this._live).concat(outputs).slice(-PIECES);
        if (this._isOpen && replace) {
            this._drawOutputs(outputs);
        } else if (this._isOpen) {
            this._append(outputs);
        }
    };

    /** Show all outputs of a cell that has ended. */
    CellView.prototype.end = function () {
        this._live = [];
        if (this._isOpen) {
            this._drawOutputs(this._cell.outputs);
        }
    };

    var ICONS = {running: 'fa-circle-o-notch fa-spin', done: 'fa-check', failed: 'fa-times', stopped: 'fa-stop'};

    /** Bring state and time up to date. */
    CellView.prototype.draw = function (now) {
        var cell = this._cell, end = cell.end === null ? now : cell.end;
        this._icon.attr('class', 'fa fa-fw ' + ICONS[cell.state]);
        this.element.attr('class', 'nbexec-cell nbexec-cell-' + cell.state);
        this._duration.text(cell.end === null ? texts.durationSoFar(end - cell.begin) : texts.duration(end - cell.begin));
        this._button.attr('aria-label', timelineView.titleOf(cell) + ': ' + firstLine(cell.source));
    };

    var firstLine = function (source) {
        return source.split('\n').filter(function (line) { return line.trim(); })[0] || '';
    };

    return {CellView: CellView};
});
