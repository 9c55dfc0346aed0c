/**
 * Draws the fields of the form: one for each parameter, with a search if there are many, and those that few need.
 *
 * It asks the server for kernels only, and sends nothing.
 */
define([
    'jquery', 'base/js/i18n', './form_field', './parameter_field', './value_check', './parts'
], function ($, i18n, formField, parameterField, valueCheck, parts) {
    "use strict";

    var MANY = 12;  // parameters, from which on there is a search
    var ARGUMENTS = ['output_path', 'overwrite', 'jupyter_kernel', 'cell_timeout'];

    /**
     * @constructor
     * @param {jQuery} element - where they are drawn
     * @param {Object} options
     * @param {string} options.id - that begins the ids of all fields
     * @param {Client} options.client
     * @param {string} options.path - of the notebook
     * @param {Object} options.values - what the fields have at first, texts by name: parameters and arguments
     * @param {Array<Object>} options.parameters, {Array<string>} options.reserved - as `Client.parameters` has them
     */
    var FormFields = function (element, options) {
        this._options = options;
        this._id = options.id;
        this._client = options.client;
        this._values = options.values;
        this._element = element;
        this._fields = Object.create(null);  // by name, and parameters may have any
        this._missing = [];  // names of fields that are known to have no value
        this._drawParameters(options.parameters, options.reserved);
        this._drawMore();
    };

    // -- drawing -----------------------------------------------------------------------------------------------------

    FormFields.prototype._drawParameters = function (parameters, reserved) {
        var elements = parameters.map(this._drawParameter, this);
        if (elements.length > MANY) {
            this._element.append(this._drawSearch(parameters));
        }
        this._element.append(elements, this._drawReserved(reserved));
    };

    /** Names that the parameter cell assigns, and that nobody can set here. */
    FormFields.prototype._drawReserved = function (names) {
        return !names.length ? null : $('<p>').addClass('help-block nbexec-reserved').text(i18n.msg.sprintf(i18n.msg._(
            "Not shown, because these names are reserved: %s. Rename the parameters in the notebook to set them here."),
            names.join(', ')));
    };

    FormFields.prototype._drawParameter = function (parameter) {
        return this._drawField(parameterField.optionsOf(parameter, this._givenOf(parameter.name)));
    };

    FormFields.prototype._givenOf = function (name) {
        return Object.prototype.hasOwnProperty.call(this._values, name) ? String(this._values[name]) : undefined;
    };

    FormFields.prototype._drawField = function (options) {
        var id = this._id + '_' + Object.keys(this._fields).length;
        var field = new formField.FormField(id, $.extend({given: this._givenOf(options.name)}, options));
        this._fields[field.name] = field;
        return field.element;
    };

    /** A search, where there are more parameters than one sees at once. */
    FormFields.prototype._drawSearch = function (parameters) {
        var fields = parameters.map(function (parameter) { return this._fields[parameter.name]; }, this);
        var status = $('<p>').attr('role', 'status').addClass('help-block');
        var search = $('<input>').attr({type: 'search', placeholder: i18n.msg._("Find a parameter"),
                                  'aria-label': i18n.msg._("Find a parameter")})
            .addClass('form-control input-sm').on('input', function () {
                var word = this.value;
                var found = fields.filter(function (field) {
                    field.element.toggle(field.matches(word));
                    return field.matches(word);
                });
                status.text(word && i18n.msg.sprintf(i18n.msg._("%1$d of %2$d parameters"), found.length, fields.length));
            }).on('keydown', function (event) {
                return event.key !== 'Enter';  // which would run the notebook
            });
        return $('<div>').addClass('nbexec-search').append(search, status);
    };

    /** The fields that few need. */
    FormFields.prototype._drawMore = function () {
        var that = this, id = this._id + '_more';
        var more = this._more = $('<div>').attr('id', id).addClass('nbexec-more').hide();
        this._moreButton = parts.expander(i18n.msg._("More"), more, 'nbexec-more-button');
        more.append(this._drawArguments());
        this._element.append($('<div>').append(this._moreButton), more);
        this._showMore(ARGUMENTS.some(function (name) { return name in that._values; }));
        this._client.kernels().then(function (answer) {
            that._addKernels(that._fields.jupyter_kernel, answer.kernels);
        }).catch(function () {
            that._addKernels(that._fields.jupyter_kernel, []);  // the notebook's own will do
        });
    };

    FormFields.prototype._drawArguments = function () {
        return [
            this._drawField({
                name: 'output_path', label: i18n.msg._("Save result as"), kind: 'text', defaultText: null,
                placeholder: this._options.path.replace(/\.ipynb$/, '') + '-Executed' + i18n.msg._("<number>") + '.ipynb',
                help: i18n.msg._("A path relative to the server's top folder; the folder must exist. If empty, the result "
                                 + "is saved beside the notebook under the next free number.")
            }),
            this._drawField({
                name: 'overwrite', label: i18n.msg._("Replace the file if it exists"), kind: 'checkbox',
                defaultText: 'false', help: i18n.msg._("Otherwise the result gets the next free number.")
            }),
            this._drawField({
                name: 'jupyter_kernel', label: i18n.msg._("Kernel"), kind: 'select', defaultText: '',
                choices: [{name: '', title: i18n.msg._("the notebook's own")}]
            }),
            this._drawField({
                name: 'cell_timeout', label: i18n.msg._("Cell timeout"), kind: 'text',
                check: valueCheck.mistakeIn.bind(null, 'int'),
                defaultText: null, placeholder: i18n.msg._("none"),
                help: i18n.msg._("Maximum seconds per cell; exceeding it ends the execution.")
            })
        ];
    };

    FormFields.prototype._addKernels = function (field, kernels) {
        var wanted = this._values.jupyter_kernel;
        if (wanted && !kernels.some(function (kernel) { return kernel.name === wanted; })) {
            kernels = kernels.concat([{name: wanted, title: wanted}]);
        }
        field.addChoices(kernels);
    };

    FormFields.prototype._showMore = function (isOpen) {
        parts.setExpanded(this._moreButton, this._more, isOpen);
    };

    /** Put the focus where there is something to do; returns whether there is. */
    FormFields.prototype.focusFirst = function () {
        var refused = this._element.find('[aria-invalid]:visible').first();
        var first = refused.length ? refused : this._element.find('.form-group :input:visible').first();
        first.focus().filter('input').select();
        return first.length > 0;
    };

    // -- what they hold ----------------------------------------------------------------------------------------------

    /** What is sent: the notebook, and each value that is another than without the form. */
    FormFields.prototype.read = function () {
        var sent = Object.create(null);
        sent.notebook = this._options.path;
        this._all().forEach(function (field) {
            var text = field.text();
            if (text !== null) {
                sent[field.name] = text;
            }
        });
        return sent;
    };

    FormFields.prototype._all = function () {
        return Object.keys(this._fields).map(function (name) { return this._fields[name]; }, this);
    };

    /** The names of those whose values must not be shown. */
    FormFields.prototype.secretNames = function () {
        var secret = this._all().filter(function (field) { return field.isSecret(); });
        return secret.map(function (field) { return field.name; });
    };

    // -- what is wrong with it ---------------------------------------------------------------------------------------

    /**
     * Mark the fields that need a value and have none; returns whether there are any that were not marked before. The
     * notebook may have set them out of our sight, so who insists may run it.
     */
    FormFields.prototype.markMissing = function () {
        var missing = this._all().filter(function (field) { return field.isMissing(); });
        var fresh = missing.filter(function (field) { return this._missing.indexOf(field.name) === -1; }, this);
        this._missing = missing.map(function (field) { return field.name; });
        if (fresh.length) {
            missing.forEach(function (field) {
                this._show(field, i18n.msg._("Enter a value: the parameter cell sets none. To run the notebook without "
                                             + "one, choose Run once more."));
            }, this);
            this.markMistakes();
        }
        return fresh.length > 0;
    };

    /** Mark all fields whose text will be refused. */
    FormFields.prototype.markMistakes = function () {
        this._all().forEach(function (field) {
            if (field.mistake()) {
                this._show(field, field.mistake());
            }
        }, this);
    };

    FormFields.prototype.has = function (name) {
        return name in this._fields;
    };

    FormFields.prototype.showError = function (name, message) {
        this._show(this._fields[name], message);
    };

    FormFields.prototype._show = function (field, message) {
        if ($.contains(this._more[0], field.control[0])) {
            this._showMore(true);
        }
        field.showError(message);
    };

    FormFields.prototype.clearErrors = function () {
        this._all().forEach(function (field) { field.clearError(); });
    };

    return {FormFields: FormFields};
});
