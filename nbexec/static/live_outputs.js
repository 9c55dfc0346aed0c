/**
 * The outputs of a cell while it runs, as a list of nbformat's; of a long one the end, so that a run of days takes no more
 * memory than a short one. Draws nothing.
 */
define(['base/js/i18n', './texts'], function (i18n, texts) {
    "use strict";

    var LONGEST_TEXT = 128 * 1024;  // characters of output that are kept; half of them when it gets longer
    var MOST_OUTPUTS = 200;
    var LARGEST_OUTPUT = 4 * 1024 * 1024;  // characters of one picture or table
    var LEFT_OUT = {output_type: 'stream', name: 'stdout', text: i18n.msg._("[large output: see the result]") + '\n'};

    var WIDGET = 'application/vnd.jupyter.widget-view+json';

    /** The outputs after an event, which has those that were added, or all with `replace`. */
    var after = function (outputs, event) {
        return bounded(withWidgets(event.replace ? event.outputs : outputs.concat(event.outputs), event.widgets));
    };

    /** All outputs of a cell, from the event of its end. */
    var atEnd = function (event) {
        return withWidgets(event.cell.outputs || [], event.widgets);
    };

    /** The outputs with widgets as the text that they show, as far as `texts` has it by their ids. */
    var withWidgets = function (outputs, texts) {
        return !texts ? outputs : outputs.map(function (output) {
            var id = output.widget || ((output.data || {})[WIDGET] || {}).model_id;
            return id in texts ? {output_type: 'display_data', widget: id, data: {'text/plain': texts[id]}, metadata: {}}
                : output;
        });
    };

    /** The end of the outputs if they are too long, else just these. */
    var bounded = function (outputs) {
        var length = outputs.reduce(function (sum, output) { return sum + textLength(output); }, 0);
        var isLarge = outputs.some(function (output) { return sizeOf(output) > LARGEST_OUTPUT; });
        if (length <= LONGEST_TEXT && outputs.length <= MOST_OUTPUTS && !isLarge) {
            return outputs;
        }
        var kept = [], left = LONGEST_TEXT / 2;
        merged(outputs).slice(-MOST_OUTPUTS / 2).reverse().forEach(function (output) {
            if (output.output_type !== 'stream') {
                kept.unshift(sizeOf(output) > LARGEST_OUTPUT ? LEFT_OUT : output);
            } else if (left > 0) {
                var text = texts.joined(output.text);
                kept.unshift({output_type: 'stream', name: output.name, text: text.slice(-left)});
                left -= text.length;
            }
        });
        return kept;
    };

    /** Join what was printed in one go, which comes in pieces. */
    var merged = function (outputs) {
        var done = [], pieces = null, last = null;
        var close = function () {
            if (pieces && pieces.length > 1) {
                done[done.length - 1] = {output_type: 'stream', name: last.name, text: pieces.join('')};
            }
        };
        outputs.forEach(function (output) {
            if (last && output.output_type === 'stream' && last.output_type === 'stream' && last.name === output.name) {
                pieces.push(texts.joined(output.text));
                return;
            }
            close();
            pieces = output.output_type === 'stream' ? [texts.joined(output.text)] : null;
            last = output;
            done.push(output);
        });
        close();
        return done;
    };

    var textLength = function (output) {
        return output.output_type === 'stream' ? texts.joined(output.text).length : 0;
    };

    var sizeOf = function (output) {
        var data = output.data || {};
        return Object.keys(data).reduce(function (sum, type) { return sum + (data[type].length || 0); }, 0);
    };

    /** Characters of all of the outputs together. */
    var lengthOf = function (outputs) {
        return outputs.reduce(function (sum, output) { return sum + textLength(output) + sizeOf(output); }, 0);
    };

    return {WIDGET: WIDGET, LEFT_OUT: LEFT_OUT, after: after, atEnd: atEnd, bounded: bounded, merged: merged,
            lengthOf: lengthOf};
});
