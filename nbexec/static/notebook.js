/**
 * The nbextension of the notebook page; puts the parts together.
 */
define([
    'require', 'jquery', 'base/js/events', 'base/js/namespace', 'base/js/utils', './client', './notebook_view',
    './page_colours'
], function (require, $, events, Jupyter, utils, client, notebookView, pageColours) {
    "use strict";

    /** Called by notebook when the page has loaded the extension. */
    var load_ipython_extension = function () {
        $('<link>').attr({rel: 'stylesheet', href: require.toUrl('./notebook.css')}).appendTo('head');
        pageColours.take(['#notebook-container', 'body']);
        var notebook = Jupyter.notebook;
        var view = new notebookView.NotebookView({
            client: new client.Client(utils.get_body_data('baseUrl')),
            notebook: notebook,
            toolbar: Jupyter.toolbar,
            events: events
        });
        // Where the keys that the user has chosen are known already.
        return notebook.config.loaded.then(function () {
            view.addControls();
            if (notebook._fully_loaded) {
                view.findRuns();
            } else {
                events.one('notebook_loaded.Notebook', function () { view.findRuns(); });
            }
        });
    };

    return {load_ipython_extension: load_ipython_extension};
});
