/**
 * The nbextension of the notebook page; puts the parts together.
 */
define([
    'require', 'jquery', 'base/js/events', 'base/js/namespace', 'base/js/utils', './client', './notebook_view'
], function (require, $, events, Jupyter, utils, client, notebook_view) {
    "use strict";

    /** Called by notebook when the page has loaded the extension. */
    var load_ipython_extension = function () {
        $('<link/>').attr({rel: 'stylesheet', href: require.toUrl('./notebook.css')}).appendTo('head');
        var notebook = Jupyter.notebook;
        var view = new notebook_view.NotebookView({
            client: new client.Client(utils.get_body_data('baseUrl')),
            notebook: notebook,
            toolbar: Jupyter.toolbar,
            events: events
        });
        // Where the keys that the user has chosen are known already.
        return notebook.config.loaded.then(function () {
            view.add_controls();
            if (notebook._fully_loaded) {
                view.find_runs();
            } else {
                events.one('notebook_loaded.Notebook', function () { view.find_runs(); });
            }
        });
    };

    return {load_ipython_extension: load_ipython_extension};
});
