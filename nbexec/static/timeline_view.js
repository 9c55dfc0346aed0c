/**
 * Draws the cells of an execution as bars along its time; the only file that knows the selectors of the picture.
 *
 * It is one stop for the Tab key; within it the arrow keys go from cell to cell.
 */
define(['jquery', 'base/js/i18n', './texts'], function ($, i18n, texts) {
    "use strict";

    var TICKS = 6;
    var LAST = 0.95;  // where a tick still has room for its words
    var ROOM = 90;  // pixels that the words before the first cell take
    var LINES = 8;  // of the source that the hint shows
    var STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600,
                 86400];

    /**
     * @constructor
     * @param {jQuery} element - where the picture is drawn
     * @param {Object} options
     * @param {function(Object)} options.onSelect - called with the cell whose bar is clicked
     */
    var TimelineView = function (element, options) {
        this._onSelect = options.onSelect;
        this._bars = {};  // by the number of the cell
        this._current = null;
        this._track = $('<div>').addClass('nbexec-track').attr({role: 'group', 'aria-label': i18n.msg._("Timeline")});
        this._axis = $('<div>').addClass('nbexec-axis').attr('aria-hidden', 'true');
        this._hint = $('<div>').addClass('nbexec-hint').attr('aria-hidden', 'true').hide();
        this._scale = $('<div>').addClass('nbexec-scale').appendTo(this._track);
        this._capacity = 0;  // seconds that the scale is long; that of a run is longer than what is to be seen of it
        this._drawn = 0;  // number of cells
        this._start = $('<div>').addClass('nbexec-kernel-start').text(i18n.msg._("kernel starting")).appendTo(this._track);
        element.addClass('nbexec-timeline').append(this._track, this._axis, this._hint);
        this._bind();
    };

    TimelineView.prototype._bind = function () {
        var that = this;
        this._track.on('click', 'button', function () { that._onSelect($(this).data('cell')); });
        this._track.on('mouseenter focus', 'button', function () { that._showHint($(this)); });
        this._track.on('mouseleave blur', 'button', function () { that._hint.hide(); });
        this._track.on('focus', 'button', function () { that._setCurrent($(this)); });
        this._track.on('keydown', 'button', function (event) {
            var bar = $(this), all = that._scale.children();
            var target = {ArrowRight: bar.next('button'), ArrowLeft: bar.prev('button'), Home: all.first(),
                          End: all.last()}[event.key];
            if (event.key === 'Escape') {
                that._hint.hide();
            } else if (target) {
                event.preventDefault();
                target.focus();
            }
        });
    };

    /**
     * Draw the cells. As the time goes on only the scale that they stand on is made shorter, and none of them: there may
     * be thousands.
     *
     * @param {Array} cells - `{number, source, begin, end, state}`, times in seconds since the epoch, end null if it runs
     * @param {number} begin - when the execution began
     * @param {number} end - when it ended, or now
     */
    TimelineView.prototype.draw = function (cells, begin, end) {
        var span = Math.max(end - begin, 0.01);
        if (span > this._capacity || begin !== this._begin) {
            this._capacity = 2 * span;
            this._begin = begin;
            this._drawn = 0;
        }
        // Only the last one drawn, and those after it, can have changed.
        cells.slice(Math.max(this._drawn - 1, 0)).forEach(function (cell) {
            this._drawBar(cell, begin, end);
        }, this);
        this._drawn = cells.length;
        this._scale.css('width', 100 * this._capacity / span + '%');
        this._start.css('width', percent(cells[0].begin - begin, span))
            .toggle(this._track.width() * (cells[0].begin - begin) / span > ROOM);
        this._drawAxis(span);
    };

    TimelineView.prototype._drawBar = function (cell, begin, end) {
        var bar = this._bars[cell.number] || this._createBar(cell), state = cell.state + '/' + cell.end;
        var cellEnd = cell.end === null ? end : cell.end;
        bar.css({left: percent(cell.begin - begin, this._capacity), width: percent(cellEnd - cell.begin, this._capacity)});
        if (bar.data('drawn') !== state) {
            bar.data('drawn', state).data('cell', cell).attr('class', 'nbexec-bar nbexec-bar-' + cell.state)
                .toggleClass('progress-bar-striped active', cell.state === 'running').attr('aria-label', titleOf(cell));
        }
    };

    TimelineView.prototype._createBar = function (cell) {
        var bar = $('<button>').attr({type: 'button', tabindex: this._current === null ? 0 : -1}).appendTo(this._scale);
        this._bars[cell.number] = bar;
        this._current = this._current || bar;
        return bar;
    };

    TimelineView.prototype._setCurrent = function (bar) {
        this._current.attr('tabindex', -1);
        this._current = bar.attr('tabindex', 0);
    };

    TimelineView.prototype._drawAxis = function (span) {
        var fitting = STEPS.filter(function (step) { return span / step <= TICKS; });
        var step = fitting[0] || Math.ceil(span / TICKS / 86400) * 86400;
        var drawn = step + '/' + Math.floor(span * LAST / step), axis = this._axis;
        if (this._drawnAxis !== drawn) {
            this._drawnAxis = drawn;
            axis.empty();
            for (var time = 0, tick = 0; time <= span * LAST; time = ++tick * step) {
                $('<span>').text(tickText(time, step)).data('time', time).appendTo(axis);
            }
        }
        axis.children().each(function () {
            this.style.left = percent($(this).data('time'), span);
        });
    };

    TimelineView.prototype._showHint = function (bar) {
        var cell = bar.data('cell'), lines = cell.source.split('\n'), text = lines.slice(0, LINES).join('\n');
        this._hint.empty().append(
            $('<strong>').text(titleOf(cell)),
            $('<pre>').text(text + (lines.length > LINES ? '\n…' : '')),
            cell.summary ? $('<pre>').addClass('nbexec-hint-output').text(cell.summary) : '').show();
        var room = this._track.width() - this._hint.outerWidth();
        this._hint.css('left', Math.max(0, Math.min(bar.position().left, room)));
    };

    /** "Cell 3 of 10: 1.2 s, failed". */
    var titleOf = function (cell) {
        var name = i18n.msg.sprintf(i18n.msg._("Cell %d"), cell.number);
        if (cell.state === 'running') {
            return i18n.msg.sprintf(i18n.msg._("%s, running"), name);
        }
        var time = cell.end === null ? '' : ', ' + texts.duration(cell.end - cell.begin);
        return name + time + (cell.state === 'failed' ? ', ' + i18n.msg._("failed") : '');
    };

    var percent = function (part, whole) {
        return (100 * Math.min(Math.max(part / whole, 0), 1)).toFixed(4) + '%';
    };

    var tickText = function (seconds, step) {
        if (step >= 1) {
            return texts.duration(seconds).replace('.0 s', ' s').replace(' 00 s', '').replace('0 ms', '0 s');
        }
        return seconds.toFixed(step < 0.1 ? 2 : 1) + ' s';
    };

    return {TimelineView: TimelineView, titleOf: titleOf};
});
