/**
 * Draws the tab of the tree page: the list, or the details of one execution, and how the connection is.
 *
 * What is shown stands in the fragment of the address, `#executions` or `#executions/<exec_id>`, as for notebook's own tabs.
 */
define(['jquery', 'base/js/utils', 'base/js/i18n', './words', './list_view', './detail_view'
], function ($, utils, i18n, words, list_view, detail_view) {
    "use strict";

    var NAME = '#executions';

    /**
     * @constructor
     * @param {Object} options
     * @param {Client} options.client
     * @param {ExecutionList} options.list - started when the tab is shown for the first time
     * @param {Actions} options.actions
     */
    var TabView = function (options) {
        var that = this;
        this._list = options.list;
        this._login_url = utils.url_path_join(options.client.base_url, 'login');
        this._create();
        this._list_view = new list_view.ListView(this._list_element, {
            list: options.list, actions: options.actions, on_details: function (model) { that.show(model.exec_id); }});
        this._detail_view = new detail_view.DetailView(this._detail_element, {
            client: options.client, list: options.list, actions: options.actions, on_back: function () { that.show(); }});
        this._bind();
    };

    TabView.prototype._create = function () {
        this._badge = $('<span>').addClass('badge').hide();
        this._link = $('<a>').attr({href: NAME, 'data-toggle': 'tab'}).append(i18n.msg._("Executions"), ' ', this._badge);
        $('<li>').append(this._link).insertAfter($('#tabs a[href="#running"]').parent());
        this._alert = $('<div>').addClass('alert alert-warning nbexec-alert').attr('role', 'alert').hide();
        this._list_element = $('<div>');
        this._detail_element = $('<div>').addClass('nbexec-detail').hide();
        $('<div>').attr('id', NAME.slice(1)).addClass('tab-pane nbexec-tab')
            .append(this._alert, this._list_element, this._detail_element).appendTo('.tab-content');
    };

    TabView.prototype._bind = function () {
        var that = this;
        this._link.on('shown.bs.tab', function () { that._list.start(); });
        this._link.click(function (event) {
            event.preventDefault();
            that._show_list();
            set_address(NAME);
        });
        $(window).on('popstate hashchange', function () { that.open_address(); });
    };

    /** Show what the address of the page names, if that is something of ours. */
    TabView.prototype.open_address = function () {
        var parts = window.location.hash.split('/');
        if (parts[0] !== NAME) {
            return;
        }
        this._link.tab('show');
        if (parts[1]) {
            this._show_details(decodeURIComponent(parts[1]));
        } else {
            this._show_list();
        }
    };

    /** Bring the tab to the front, with the execution of this id, or with the list. */
    TabView.prototype.show = function (id) {
        set_address(id ? NAME + '/' + encodeURIComponent(id) : NAME);
        this.open_address();
    };

    TabView.prototype._show_list = function () {
        var id = this._detail_view.id();
        this._detail_view.close();
        this._detail_element.hide();
        this._list_element.show();
        if (id) {
            this._list_view.focus(id);
        }
    };

    TabView.prototype._show_details = function (id) {
        this._list_element.hide();
        this._detail_element.show();
        this._detail_view.open(id);
    };

    /** Draw what has changed: the executions with these ids, or all. */
    TabView.prototype.update = function (ids) {
        var running = this._list.all().filter(function (model) { return !words.is_final(model); }).length;
        this._badge.text(running).attr('title', i18n.msg._("running")).toggle(running > 0);
        this._list_view.update(ids);
        if (!ids || ids.indexOf(this._detail_view.id()) !== -1) {
            this._detail_view.update();
        }
    };

    /** Say how the connection is; nothing as long as it is good. */
    TabView.prototype.set_state = function (state, error) {
        this._alert.empty().toggle(state === 'lost' || state === 'unauthorized');
        if (state === 'lost') {
            this._alert.append($('<strong>').text(error ? error.message : ''), ' ', i18n.msg._(
                "What you see may be out of date. It goes on by itself as soon as the server answers."));
        } else if (state === 'unauthorized') {
            this._alert.append(
                $('<strong>').text(i18n.msg._("You are not logged in any more.")), ' ',
                $('<a>').addClass('alert-link').attr({href: this._login_url, target: '_blank'}).text(i18n.msg._("Log in")),
                ' ', i18n.msg._("in another tab, and this one goes on by itself."));
        }
    };

    var set_address = function (fragment) {
        if (window.location.hash !== fragment) {
            window.history.pushState(null, null, fragment);
        }
    };

    return {TabView: TabView};
});
