/**
 * Where the list of executions and the page of each are, for links that open a page of their own.
 */
define(['base/js/utils'], function (utils) {
    "use strict";

    /** The address of what a fragment names in the tree page. */
    var inTree = function (baseUrl, fragment) {
        return utils.url_path_join(baseUrl, document.nbclassicPath || '', 'tree') + fragment;
    };

    /** The address of the page of the execution with this id. */
    var of = function (baseUrl, id) {
        return inTree(baseUrl, '#executions/' + encodeURIComponent(id));
    };

    return {inTree: inTree, of: of};
});
