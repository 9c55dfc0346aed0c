/**
 * Draws the tab of the tree page: the list, or the details of one execution, and how the connection is.
 *
 * What is shown stands in the fragment of the address, `#executions` or `#executions/<exec_id>`, as for notebook's own tabs.
 */
define([
    'jquery', 'base/js/i18n', './parts', './execution_model', './list_view', './detail_view'
], function ($, i18n, parts, executionModel, listView, detailView) {
    "use strict";

    var NAME = '#executions', FILES = '#notebooks';

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
        this._baseUrl = options.client.baseUrl;
        this._create();
        this._listView = new listView.ListView(this._listElement, {
            list: options.list, actions: options.actions, onDetails: function (model) { that.show(model.exec_id); }});
        this._detailView = new detailView.DetailView(this._detailElement, {
            client: options.client, list: options.list, actions: options.actions, onBack: function () { that.show(); }});
        this._bind();
    };

    TabView.prototype._create = function () {
        this._badge = $('<span>').addClass('badge').hide();
        this._link = $('<a>').attr({href: NAME, 'data-toggle': 'tab'}).append(i18n.msg._("Executions"), ' ', this._badge);
        $('<li>').append(this._link).insertAfter($('#tabs a[href="#running"]').parent());
        this._alert = parts.alertBox('warning', 'nbexec-alert').attr('role', 'alert');
        this._listElement = $('<div>');
        this._detailElement = $('<div>').addClass('nbexec-detail').hide();
        $('<div>').attr('id', NAME.slice(1)).addClass('tab-pane nbexec-tab')
            .append(this._alert, this._listElement, this._detailElement).appendTo('.tab-content');
    };

    TabView.prototype._bind = function () {
        var that = this;
        this._link.on('shown.bs.tab', function () { that._list.start(); });
        this._link.click(function (event) {
            event.preventDefault();
            that.show();
        });
        $(window).on('popstate hashchange', function () {
            setTimeout(that.openAddress.bind(that));  // when the browser has scrolled, and taken the focus away
        });
    };

    /** Show what the address of the page names; the tabs of others too, for nobody else minds Back and Forward. */
    TabView.prototype.openAddress = function () {
        var names = window.location.hash.split('/'), id = names[1] || '';
        if (names[0] !== NAME) {
            tabOf(window.location.hash || FILES).tab('show');
            return;
        }
        this._link.tab('show');
        if (id === this._detailView.id() || (!id && this._listElement.is(':visible'))) {
            return;
        }
        scrollToTop();
        if (id) {
            this._showDetails(id);
        } else {
            this._showList();
        }
    };

    /** Bring the tab to the front, with the execution of this id, or with the list. */
    TabView.prototype.show = function (id) {
        setAddress(id ? NAME + '/' + id : NAME);
        this.openAddress();
    };

    TabView.prototype._showList = function () {
        var id = this._detailView.id();
        this._detailView.close();
        this._detailElement.hide();
        this._listElement.show();
        if (id) {
            this._listView.focus(id);
        }
    };

    TabView.prototype._showDetails = function (id) {
        this._listElement.hide();
        this._detailElement.show();
        this._detailView.open(id);
    };

    /** Draw what has changed: the executions with these ids, or all. */
    TabView.prototype.update = function (ids) {
        var running = this._list.all().filter(function (model) { return !executionModel.isFinal(model); }).length;
        this._badge.text(running).attr('title', i18n.msg._("waiting or running")).toggle(running > 0);
        this._listView.update(ids);
        if (!ids || ids.indexOf(this._detailView.id()) !== -1) {
            this._detailView.update();
        }
    };

    /** Say how the connection is; nothing as long as it is good. */
    TabView.prototype.setState = function (state, error) {
        this._alert.empty().toggle(state === 'lost' || state === 'unauthorized');
        if (state === 'lost') {
            this._alert.append($('<strong>').text(error ? error.message : ''), ' ', i18n.msg._(
                "This list may be out of date. It is updated as soon as the server answers."));
        } else if (state === 'unauthorized') {
            this._alert.append(
                $('<strong>').text(i18n.msg._("You are no longer logged in.")), ' ',
                parts.loginLink(this._baseUrl).addClass('alert-link'),
                ' ', i18n.msg._("in another tab; this one continues by itself."));
        }
    };

    var setAddress = function (fragment) {
        if (window.location.hash !== fragment) {
            window.history.pushState(window.history.state, null, fragment);  // notebook has the folder in it
        }
    };

    /** The link of a tab, ours or another; nothing if there is none of this name. */
    var tabOf = function (name) {
        return $('#tabs a').filter(function () { return $(this).attr('href') === name; });
    };

    /** Begin a view at its top; the browser has scrolled to the tab, because the address has its name. */
    var scrollToTop = function () {
        $('#site').scrollTop(0);
        window.scrollTo(0, 0);
    };

    return {TabView: TabView};
});
