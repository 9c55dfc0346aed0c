// The rules of the JavaScript in nbexec/static: bash .ci/run checks them.
"use strict";

// Names of others, which are not ours to write in camelCase: the API of nbexec, of notebook, of nbformat.
const API = ["exec_id", "output_path", "jupyter_kernel", "cell_timeout", "completed_at", "started_at", "output_type"];
const NOTEBOOK = ["load_ipython_extension", "keyboard_manager", "register_events", "prompt_area", "scroll_state", "help_index",
                  "with_math", "clean_tables", "_selection_changed"];
const BROWSER = ["AbortController", "IntersectionObserver", "Promise", "ResizeObserver", "TextDecoder", "URLSearchParams",
                 "clearInterval", "clearTimeout", "console", "document", "fetch", "setInterval", "setTimeout", "window"];

module.exports = [{
    files: ["nbexec/static/**/*.js"],
    languageOptions: {
        ecmaVersion: 5,  // the syntax of notebook's own files; what browsers bring along may be newer
        sourceType: "script",
        globals: Object.fromEntries(["define", ...BROWSER].map(name => [name, "readonly"])),
    },
    linterOptions: {reportUnusedDisableDirectives: "error"},
    rules: {
        "camelcase": ["error", {properties: "always", allow: [...API, ...NOTEBOOK]}],
        "curly": "error",
        "dot-notation": "error",
        "eqeqeq": "error",
        "max-len": ["error", {code: 125}],
        "no-caller": "error",
        "no-cond-assign": "error",
        "no-console": ["error", {allow: ["error", "log"]}],
        "no-dupe-args": "error",
        "no-dupe-keys": "error",
        "no-duplicate-case": "error",
        "no-empty": "error",
        "no-eval": "error",
        "no-extra-semi": "error",
        "no-implicit-globals": "error",
        "no-implied-eval": "error",
        "no-irregular-whitespace": "error",
        "no-loop-func": "error",
        "no-new-func": "error",
        "no-redeclare": "error",
        "no-restricted-syntax": ["error", {
            // "._" is gettext; of "_target" and the like notebook is the owner.
            selector: "MemberExpression[computed=false][property.name=/^_./]"
                + ":not([object.type='ThisExpression']):not([object.name='that']):not([object.property.name='prototype'])"
                + ":not([property.name=/^_(target|fully_loaded|selection_changed|changed_on_disk_dialog)$/])",
            message: "A name with an underscore is for the methods of its object alone: this._name, that._name.",
        }],
        "no-self-assign": "error",
        "no-sparse-arrays": "error",
        "no-trailing-spaces": "error",
        "no-undef": "error",
        "no-unreachable": "error",
        "no-unused-vars": ["error", {caughtErrors: "none"}],
        "no-useless-escape": "error",
        "no-with": "error",
        "semi": ["error", "always"],
        "strict": ["error", "function"],
        "use-isnan": "error",
        "valid-typeof": "error",
    },
}];
