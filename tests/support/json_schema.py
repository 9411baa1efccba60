"""Enough of JSON schema to check YAML files against options/schema.json."""

import re


def errors(value, schema, root, path=''):
    """What of ``value`` is against ``schema``, a part of ``root``: list of messages, empty where all is right."""
    if '$ref' in schema:
        target = root
        for part in schema['$ref'].removeprefix('#/').split('/'):
            target = target[part]
        return errors(value, target, root, path)
    unknown = schema.keys() - {*_KEYWORDS, *_CHECKS}
    assert not unknown, f'keywords that this does not know: {unknown}'
    if 'type' in schema and not any(_is(value, name) for name in _names(schema)):
        return [f'{path}: {value!r} is no {" or ".join(_names(schema))}']
    found = [message for key, check in _CHECKS.items() if key in schema for message in check(value, schema, root, path)]
    if isinstance(value, dict):
        found += _keys(value, schema, root, path)
    if 'if' in schema:
        branch = 'else' if errors(value, schema['if'], root) else 'then'
        found += errors(value, schema.get(branch, {}), root, path)
    return found


_KEYWORDS = {'$schema', '$defs', 'title', 'type', 'description', 'default', 'if', 'then', 'else'}
_KEYWORDS |= {'properties', 'patternProperties', 'additionalProperties'}
_TYPES = {
    'object': dict,
    'array': list,
    'string': str,
    'boolean': bool,
    'null': type(None),
    'integer': int,
    'number': (int, float),
}


def _names(schema):
    return schema['type'] if isinstance(schema['type'], list) else [schema['type']]


def _is(value, name):
    if isinstance(value, bool):
        return name == 'boolean'
    return isinstance(value, _TYPES[name]) or name == 'integer' and isinstance(value, float) and value.is_integer()


def _keys(value, schema, root, path):
    found = []
    for key, each in value.items():
        parts = [schema['properties'][key]] if key in schema.get('properties', {}) else []
        parts += [part for pattern, part in schema.get('patternProperties', {}).items() if re.search(pattern, str(key))]
        rest = schema.get('additionalProperties', {})
        if not parts and rest is False:
            found.append(f'{path}.{key}: unknown')
        for part in parts or [rest or {}]:
            found += errors(each, part, root, f'{path}.{key}')
    return found


def _any_of(value, schema, root, path):
    tried = [errors(value, each, root, path) for each in schema['anyOf']]
    return min(tried, key=len) if all(tried) else []


_CHECKS = {
    'required': lambda value, schema, root, path: [
        f'{path}.{key}: absent' for key in schema['required'] if key not in value
    ],
    'const': lambda value, schema, root, path: [] if value == schema['const'] else [f'{path}: not {schema["const"]!r}'],
    'enum': lambda value, schema, root, path: (
        [] if value in schema['enum'] else [f'{path}: {value!r} not in {schema["enum"]}']
    ),
    'minimum': lambda value, schema, root, path: [f'{path}: too small'] if value < schema['minimum'] else [],
    'exclusiveMinimum': lambda v, schema, root, path: [f'{path}: too small'] if v <= schema['exclusiveMinimum'] else [],
    'maximum': lambda value, schema, root, path: [f'{path}: too large'] if value > schema['maximum'] else [],
    'minItems': lambda value, schema, root, path: [f'{path}: too short'] if len(value) < schema['minItems'] else [],
    'maxItems': lambda value, schema, root, path: [f'{path}: too long'] if len(value) > schema['maxItems'] else [],
    'items': lambda value, schema, root, path: [e for each in value for e in errors(each, schema['items'], root, path)],
    'anyOf': _any_of,
    'allOf': lambda value, schema, root, path: [e for each in schema['allOf'] for e in errors(value, each, root, path)],
}
