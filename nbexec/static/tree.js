/**
 * The entry for the tree page: a tab with all executions, and a button on a selected notebook.
 */
define(['require', 'jquery', 'base/js/namespace', 'base/js/utils', './client', './execution_list', './actions',
        './tab_view', './files_button', './page_colours'
], function (require, $, Jupyter, utils, client, executionList, actions, tabView, filesButton, pageColours) {
    "use strict";

    /** Called by notebook when the extension is loaded. */
    var load_ipython_extension = function () {
        ['./notebook.css', './tree.css'].forEach(function (file) {  // the form has its looks from the first
            $('<link>').attr({rel: 'stylesheet', type: 'text/css', href: require.toUrl(file)}).appendTo('head');
        });
        pageColours.take(['#site', 'body']);
        var api = new client.Client(utils.get_body_data('baseUrl'));
        var view;
        var list = new executionList.ExecutionList(api, {
            onChange: function (ids) { view.update(ids); },
            onState: function (state, error) { view.setState(state, error); }
        });
        var doer = new actions.Actions(api, {
            onStarted: function (model) { view.show(model.exec_id); },
            onDetails: function (model) { view.show(model.exec_id); }
        });
        view = new tabView.TabView({client: api, list: list, actions: doer});
        view.openAddress();
        list.watch();  // for the number on the tab
        new filesButton.FilesButton(Jupyter.notebook_list, {
            onClick: function (path, button) { doer.run(path, button); }
        });
    };

    return {load_ipython_extension: load_ipython_extension};
});
