/**
 * Draws one cell of two executions: a line with both times that opens to both sources and outputs, side by side.
 */
define(['jquery', 'base/js/i18n', './output_view', './texts'
], function ($, i18n, outputView, texts) {
    "use strict";

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {Array} pair - two cells, one of which may be null
     * @param {number} index - of the pair, for an id
     */
    var ComparedCell = function (element, pair, index) {
        var id = 'nbexec_compared_' + index, cell = pair[0] || pair[1];
        this._pair = pair;
        this._isOpen = false;
        this.differs = !pair[0] || !pair[1] || pair[0].source !== pair[1].source
            || JSON.stringify(pair[0].outputs.map(shown)) !== JSON.stringify(pair[1].outputs.map(shown));
        this._button = $('<button>').attr({type: 'button', 'aria-expanded': 'false', 'aria-controls': id})
            .addClass('nbexec-cell-line').append(
                $('<span>').addClass('nbexec-cell-number').text(pair.map(numberOf).join(' / ')),
                $('<code>').text(firstLine(cell.source)),
                this.differs ? $('<span>').addClass('nbexec-changed').text(i18n.msg._("differs")) : '',
                $('<span>').addClass('nbexec-cell-duration').text(pair.map(timeOf).join(' / ')));
        this._body = $('<div>').attr('id', id).addClass('nbexec-cell-body').hide();
        $('<div>').addClass('nbexec-cell ' + (this.differs ? 'nbexec-cell-running' : 'nbexec-same'))
            .append(this._button, this._body).appendTo(element);
        this._button.click(this._toggle.bind(this));
    };

    ComparedCell.prototype.open = function () {
        if (!this._isOpen) {
            this._toggle();
        }
    };

    ComparedCell.prototype._toggle = function () {
        this._isOpen = !this._isOpen;
        this._button.attr('aria-expanded', String(this._isOpen));
        this._body.toggle(this._isOpen).empty();
        if (this._isOpen) {
            this._draw();
        }
    };

    ComparedCell.prototype._draw = function () {
        var pair = this._pair, isSame = pair[0] && pair[1] && pair[0].source === pair[1].source;
        if (isSame) {
            this._body.append(sourceOf(pair[0], ''));
        }
        var columns = pair.map(function (cell, index) {
            var column = $('<div>').addClass('nbexec-column'), side = index ? 'B' : 'A';
            if (!cell) {
                return column.append($('<p>').addClass('nbexec-note').text(i18n.msg._("No such cell.")));
            }
            var label = i18n.msg.sprintf(i18n.msg._("Output of cell %d"), cell.number) + ', ' + side;
            var box = $('<div>').addClass('nbexec-outputs').attr({tabindex: 0, role: 'region', 'aria-label': label});
            column.append(isSame ? '' : sourceOf(cell, side), box);
            if (cell.outputs.length) {
                new outputView.OutputView(box).show(cell.outputs);
            } else {
                box.replaceWith($('<p>').addClass('nbexec-note').text(i18n.msg._("No output.")));
            }
            return column;
        });
        this._body.append($('<div>').addClass('nbexec-columns').append(columns));
    };

    var sourceOf = function (cell, side) {
        var label = i18n.msg.sprintf(i18n.msg._("Source of cell %d"), cell.number) + (side ? ', ' + side : '');
        return $('<pre>').addClass('nbexec-source').attr({tabindex: 0, role: 'region', 'aria-label': label})
            .text(cell.source);
    };

    /** What is to be seen of an output; its number in the session is not. */
    var shown = function (output) {
        return [output.data || texts.ofOutput(output), output.name];
    };

    var numberOf = function (cell) {
        return cell ? String(cell.number) : '–';
    };

    var timeOf = function (cell) {
        return cell && typeof cell.seconds === 'number' ? texts.duration(cell.seconds) : '–';
    };

    var firstLine = function (source) {
        return source.split('\n').filter(function (line) { return line.trim(); })[0] || '';
    };

    return {ComparedCell: ComparedCell};
});
