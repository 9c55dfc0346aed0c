/**
 * Draws the tab of the tree page: the list, the details of one execution or a comparison of two, and how the connection is.
 *
 * What is shown stands in the fragment of the address, as for notebook's own tabs: `#executions`, with what the list shows,
 * `#executions/<exec_id>` or `#executions/compare/<exec_id>/<exec_id>`.
 */
define([
    'jquery', 'base/js/i18n', './parts', './list_view', './list_query', './detail_view',
    './comparison_view'
], function ($, i18n, parts, listView, listQuery, detailView, comparisonView) {
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
            list: options.list, actions: options.actions, onDetails: function (model) { that.show(model.exec_id); },
            onAddress: that._go.bind(that), onQuery: function (address) {
                window.history.replaceState(window.history.state, null, address);
            }});
        this._detailView = new detailView.DetailView(this._detailElement, {
            client: options.client, list: options.list, actions: options.actions, onBack: function () { that.show(); }});
        this._comparison = new comparisonView.ComparisonView(this._comparisonElement, {
            client: options.client, onBack: function () { that.show(); }});
        this._bind();
    };

    TabView.prototype._create = function () {
        this._badge = $('<span>').addClass('badge').hide();
        this._link = $('<a>').attr({href: NAME, 'data-toggle': 'tab'}).append(i18n.msg._("Executions"), ' ', this._badge);
        $('<li>').append(this._link).insertAfter($('#tabs a[href="#running"]').parent());
        this._alert = parts.alertBox('warning', 'nbexec-alert').attr('role', 'alert');
        this._listElement = $('<div>');
        this._detailElement = $('<div>').addClass('nbexec-detail').hide();
        this._comparisonElement = $('<div>').addClass('nbexec-comparison').hide();
        $('<div>').attr('id', NAME.slice(1)).addClass('tab-pane nbexec-tab')
            .append(this._alert, this._listElement, this._detailElement,
                                                                this._comparisonElement).appendTo('.tab-content');
    };

    TabView.prototype._bind = function () {
        var that = this;
        this._link.on('shown.bs.tab', function () {
            that._list.start();
            that._listView.show();
        });
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
        var place = listQuery.parse(window.location.hash);
        if (!place.isOurs) {
            tabOf(window.location.hash || FILES).tab('show');
            return;
        }
        this._link.tab('show');
        if (!place.id && !place.compared) {
            this._showList(place.query);
        } else if (place.compared) {
            this._showOnly(this._comparisonElement);
            this._comparison.open(place.compared);
        } else if (place.id !== this._detailView.id()) {
            this._showOnly(this._detailElement);
            this._detailView.open(place.id);
        }
    };

    /** Bring the tab to the front, with the execution of this id, or with the list as it was. */
    TabView.prototype.show = function (id) {
        this._go(id ? NAME + '/' + encodeURIComponent(id) : this._listView.address());
    };

    TabView.prototype._go = function (address) {
        setAddress(address);
        this.openAddress();
    };

    TabView.prototype._showList = function (query) {
        var id = this._detailView.id(), wasComparison = this._comparisonElement.is(':visible');
        if (!this._listElement.is(':visible')) {
            this._showOnly(this._listElement);
        }
        if (listQuery.addressOf(query) !== this._listView.address()) {
            this._listView.setQuery(query);
        }
        if ((id && !this._listView.focus(id)) || (wasComparison && !this._listView.focusSelection())) {
            this._link.focus();
        }
    };

    /** Show one of the three, from its top. */
    TabView.prototype._showOnly = function (element) {
        scrollToTop();
        if (element !== this._detailElement) {
            this._detailView.close();
        }
        if (element !== this._comparisonElement) {
            this._comparison.close();
        }
        [this._listElement, this._detailElement, this._comparisonElement].forEach(function (one) {
            one.toggle(one === element);
        });
        if (element === this._listElement) {
            this._listView.show();
        }
    };

    /** Draw what has changed: the executions with these ids, or all. */
    TabView.prototype.update = function (ids) {
        var running = this._list.countUnfinished();
        if (running !== this._running) {  // or each event would make the browser draw the page anew
            this._running = running;
            this._badge.text(running).attr('title', i18n.msg._("waiting or running")).toggle(running > 0);
        }
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
