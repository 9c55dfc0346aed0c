/**
 * Prepares outputs for notebook's own renderer, which shows them as those of a notebook that is not trusted.
 */
define([
    'base/js/i18n', 'base/js/markdown', 'base/js/mathjaxutils', './live_outputs', './texts'
], function (i18n, markdown, mathjaxutils, liveOutputs, texts) {
    "use strict";

    var RESULT = /^application\/scrapbook\.scrap\.\w+\+json$/;

    /**
     * A copy of an output of nbformat, for the renderer changes what it is given.
     *
     * It leaves out Markdown that is not trusted, though it can clean the HTML that Markdown becomes. So that is what
     * it gets.
     */
    var safeOutput = function (output) {
        var copy = JSON.parse(JSON.stringify(output));
        if (copy.text !== undefined) {
            copy.text = texts.joined(copy.text);
        }
        var data = copy.data || {};
        Object.keys(data).forEach(function (type) {
            if (!/[/+]json$/.test(type)) {
                data[type] = texts.joined(data[type]);
            }
        });
        var result = Object.keys(data).length === 1 && RESULT.test(Object.keys(data)[0]) ? data[Object.keys(data)[0]] : null;
        if (result) {  // which notebook does not show
            data['text/plain'] = result.name + ' = ' + JSON.stringify(result.data);
        }
        if (data[liveOutputs.WIDGET] !== undefined) {
            data['text/plain'] = i18n.msg._("[interactive widget: see the result]");  // its own text is what it was at first
        }
        if (data['text/markdown'] !== undefined && data['text/html'] === undefined) {
            var source = String(data['text/markdown']), html = htmlOf(source);
            delete data['text/markdown'];
            if (html === null) {
                data['text/plain'] = source;
            } else {
                data['text/html'] = html;
            }
        }
        return copy;
    };

    /** HTML as text, not cleaned yet; null if it is not to be had at once, as for code that is to have colours. */
    var htmlOf = function (source) {
        var found = null, hasMath = Boolean(window.MathJax);
        // Where there is no MathJax, as in the tree page, notebook would say so in a dialog: formulas stay as they are.
        var parts = hasMath ? [source, null] : mathjaxutils.remove_math(source);
        markdown.render(parts[0], {with_math: hasMath, clean_tables: true}, function (error, html) {
            found = error ? null : html;
        });
        return found === null || hasMath ? found : mathjaxutils.replace_math(found, parts[1]);
    };

    return safeOutput;
});
