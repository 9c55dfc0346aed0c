/**
 * The button "Run with parameters…" of the list of files; it is there while one notebook is selected.
 */
define(['jquery', 'base/js/i18n', './parts'], function ($, i18n, parts) {
    "use strict";

    /**
     * @constructor
     * @param {NotebookList} notebookList - that of the page
     * @param {Object} options
     * @param {function(string, Element)} options.onClick - called with the path of the notebook and the button
     */
    var FilesButton = function (notebookList, options) {
        var button = parts.button('btn-default btn-xs nbexec-run-button', i18n.msg._("Run with parameters…"), function () {
            options.onClick(notebookList.selected[0].path, this);
        }, 'fa-play-circle-o').attr('title', i18n.msg._("Run the selected notebook in the background")).hide();
        $('#notebook_toolbar .dynamic-buttons').prepend(button);

        // Notebook has no event for it.
        var selectionChanged = notebookList._selection_changed;
        notebookList._selection_changed = function () {
            var answer = selectionChanged.apply(this, arguments);
            button.toggle(this.selected.length === 1 && this.selected[0].type === 'notebook');
            return answer;
        };
        notebookList._selection_changed();
    };

    return {FilesButton: FilesButton};
});
