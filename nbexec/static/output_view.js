/**
 * Draws outputs in a box that scrolls, by notebook's own renderer, as those of a notebook that is not trusted: nothing of
 * them is run. Only what has changed is drawn anew.
 */
define([
    'jquery', 'base/js/events', 'notebook/js/outputarea', './live_outputs', './safe_output', './terminal_text', './texts'
], function ($, events, outputarea, liveOutputs, safeOutput, terminalText, texts) {
    "use strict";

    var NEAR = 30;  // pixels from the end of the box, where its end is followed

    /**
     * @constructor
     * @param {jQuery} box - what the outputs are drawn in
     * @param {Object} [page] - `config` and `keyboard_manager` of the notebook page; the tree page has neither
     */
    var OutputView = function (box, page) {
        this._box = box;
        this._page = page || {config: {data: {}}, keyboard_manager: {register_events: $.noop}};
        this._drawn = [];  // `{output, element, area}`
    };

    /** Show these outputs and no others; with `isFollowed` the end of the box stays in sight if it is so now. */
    OutputView.prototype.show = function (outputs, isFollowed) {
        var box = this._box[0], wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
        var wanted = liveOutputs.merged(outputs).map(onScreen);
        wanted.forEach(this._draw, this);
        this._drawn.splice(wanted.length).forEach(function (drawn) { drawn.element.remove(); });
        if (isFollowed && wasAtEnd) {
            box.scrollTop = box.scrollHeight;
        }
    };

    OutputView.prototype._draw = function (output, index) {
        var drawn = this._drawn[index];
        if (!drawn) {
            drawn = this._drawn[index] = {element: $('<div>').appendTo(this._box)};
        } else if (isSame(drawn.output, output)) {
            return;
        } else if (isLonger(output, drawn.output)) {
            var more = texts.joined(output.text).slice(texts.joined(drawn.output.text).length);
            drawn.area.append_output({output_type: 'stream', name: output.name, text: more});
            drawn.output = output;
            return;
        }
        drawn.output = output;
        drawn.area = this._makeArea($('<div>').appendTo(drawn.element.empty()));
        drawn.area.append_output(safeOutput(output));
    };

    OutputView.prototype._makeArea = function (element) {
        var area = new outputarea.OutputArea({
            selector: element, events: events, prompt_area: false, config: this._page.config,
            keyboard_manager: this._page.keyboard_manager});
        area.scroll_state = false;  // the box scrolls
        area.trusted = false;
        return area;
    };

    /** The output with its text as a terminal shows it, if that is another. */
    var onScreen = function (output) {
        var text = output.output_type === 'stream' ? texts.joined(output.text) : '';
        var shown = terminalText.shown(text);
        return shown === text ? output : {output_type: 'stream', name: output.name, text: shown};
    };

    var isSame = function (one, other) {
        return one === other || JSON.stringify(one) === JSON.stringify(other);
    };

    /** Whether it is the same text with more at its end, all of which stays as it was printed. */
    var isLonger = function (output, than) {
        return output.output_type === 'stream' && than.output_type === 'stream' && output.name === than.name
            && texts.joined(output.text).indexOf(texts.joined(than.text)) === 0;
    };

    return {OutputView: OutputView};
});
