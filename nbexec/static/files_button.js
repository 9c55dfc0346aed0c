/**
 * The button "Run with parameters…" of the list of files; it is there while one notebook is selected.
 */
define(['jquery', 'base/js/i18n'], function ($, i18n) {
    "use strict";

    /**
     * @constructor
     * @param {NotebookList} notebook_list - that of the page
     * @param {Object} options
     * @param {function(string, Element)} options.on_click - called with the path of the notebook and the button
     */
    var FilesButton = function (notebook_list, options) {
        var button = $('<button>').attr('type', 'button').addClass('btn btn-default btn-xs nbexec-run-button')
            .attr('title', i18n.msg._("Run the selected notebook in the background")).append(
                $('<i>').addClass('fa fa-play-circle-o').attr('aria-hidden', 'true'), ' ', i18n.msg._("Run with parameters…"))
            .hide().click(function () { options.on_click(notebook_list.selected[0].path, this); });
        $('#notebook_toolbar .dynamic-buttons').prepend(button);

        // Notebook has no event for it.
        var selection_changed = notebook_list._selection_changed;
        notebook_list._selection_changed = function () {
            var answer = selection_changed.apply(this, arguments);
            button.toggle(this.selected.length === 1 && this.selected[0].type === 'notebook');
            return answer;
        };
        notebook_list._selection_changed();
    };

    return {FilesButton: FilesButton};
});
