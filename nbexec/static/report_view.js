/**
 * Draws the output notebook of an execution as a page, in a frame that can reach nothing: see `report_pages.py`.
 */
define(['jquery', 'base/js/i18n', './parts'], function ($, i18n, parts) {
    "use strict";

    var PAUSE = 5000;  // between two reports of an execution that is running

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {Client} client
     */
    var ReportView = function (element, client) {
        this._client = client;
        this._id = null;
        this._isRunning = false;
        this._isOffered = false;
        this._due = null;
        this._code = $('<input>').attr('type', 'checkbox').prop('checked', true).change(this._load.bind(this));
        this._message = $('<p>').addClass('nbexec-note').attr('role', 'status');
        this._place = $('<div>');
        this._codeLabel = $('<label>').addClass('nbexec-report-code').append(
            this._code, ' ', i18n.msg._("Show code")).hide();
        this._show = parts.button('btn-default btn-sm', i18n.msg._("Show report"), this._open.bind(this));
        this._element = $('<section>').addClass('nbexec-report').hide().append(
            $('<h4>').text(i18n.msg._("Report")),
            $('<div>').addClass('nbexec-detail-buttons').append(
                this._show,
                parts.button('btn-default btn-sm', i18n.msg._("Download as HTML"), this._download.bind(this, 'html')),
                parts.button('btn-default btn-sm', i18n.msg._("Download as notebook"),
                             this._download.bind(this, 'ipynb')),
                this._codeLabel),
            this._message, this._place).appendTo(element);
    };

    /** Offer the report of an execution once there is one, or as much as there is while it runs. */
    ReportView.prototype.draw = function (id, hasOutput, isRunning) {
        var isNew = this._isRunning && !isRunning, isOffered = hasOutput || isRunning;
        this._id = id;
        this._isRunning = isRunning;
        if (isOffered !== this._isOffered) {
            this._isOffered = isOffered;
            this._element.toggle(isOffered);
        }
        if (isNew && hasOutput && this._isOpen()) {
            this._load();
        }
    };

    /** Show what has come since; soon, but not at each cell. */
    ReportView.prototype.refresh = function () {
        if (this._isOpen() && !this._due) {
            this._due = window.setTimeout(function () {
                this._due = null;
                if (this._isRunning && this._element.is(':visible')) {
                    this._load();
                }
            }.bind(this), PAUSE);
        }
    };

    ReportView.prototype.close = function () {
        window.clearTimeout(this._due);
        this._isRunning = false;
    };

    ReportView.prototype._isOpen = function () {
        return this._codeLabel.css('display') !== 'none';
    };

    ReportView.prototype._open = function () {
        this._show.hide();
        this._codeLabel.show();
        this._load();
        this._code.focus();
    };

    ReportView.prototype._load = function () {
        var that = this;
        if (this._place.is(':empty')) {
            this._message.text(i18n.msg._("Rendering the report…"));
        }
        this._client.report(this._id, this._code.prop('checked')).then(function (html) {
            that._message.text(that._isRunning ? i18n.msg._("The execution is running: this is its output so far.") : '');
            that._place.empty().append($('<iframe>').addClass('nbexec-report-frame').attr({
                sandbox: 'allow-scripts', title: i18n.msg._("Report"), srcdoc: html}));
        }).catch(this._fail.bind(this));
    };

    ReportView.prototype._download = function (format) {
        var that = this;
        this._message.text('');
        this._client.download(this._id, format).then(function (file) {
            var url = window.URL.createObjectURL(file.content);
            var link = $('<a>').attr({href: url, download: file.name}).appendTo(that._element);
            link[0].click();
            link.remove();
            window.URL.revokeObjectURL(url);
        }).catch(this._fail.bind(this));
    };

    ReportView.prototype._fail = function (error) {
        this._message.text(error.message);
    };

    return {ReportView: ReportView};
});
