// The guide's validator (its lines 2707-2844), as written. `rest.js` has what it leaves out.
import { processRequest } from './rest.js';

// 输入验证器
class Validator {
  constructor(schema) {
    this.schema = schema;
  }

  validate(data) {
    const errors = [];

    for (const [field, rules] of Object.entries(this.schema)) {
      const value = data[field];

      // 必填检查
      if (rules.required && !value) {
        errors.push(`${field} is required`);
        continue;
      }

      // 类型检查
      if (value && rules.type) {
        const actualType = Array.isArray(value) ? 'array' : typeof value;
        if (actualType !== rules.type) {
          errors.push(`${field} must be ${rules.type}`);
        }
      }

      // 长度检查
      if (value && rules.maxLength && value.length > rules.maxLength) {
        errors.push(`${field} must be at most ${rules.maxLength} characters`);
      }

      // 正则验证
      if (value && rules.pattern && !rules.pattern.test(value)) {
        errors.push(`${field} format is invalid`);
      }

      // 自定义验证
      if (value && rules.validate) {
        const error = rules.validate(value);
        if (error) errors.push(error);
      }
    }

    return {
      valid: errors.length === 0,
      errors
    };
  }

  sanitize(data) {
    const cleaned = {};

    for (const [field, value] of Object.entries(data)) {
      if (!this.schema[field]) continue;

      const rules = this.schema[field];
      let cleanValue = value;

      // XSS 清理
      if (rules.type === 'string' && !rules.allowHtml) {
        cleanValue = this.escapeHtml(cleanValue);
      }

      // SQL 注入防护
      if (rules.type === 'string' && !rules.allowSql) {
        cleanValue = cleanValue.replace(/['";\\]/g, '');
      }

      // 类型转换
      if (rules.type === 'number') {
        cleanValue = Number(cleanValue);
      }

      cleaned[field] = cleanValue;
    }

    return cleaned;
  }

  escapeHtml(str) {
    const map = {
      '&': '&amp;',
      '<': '&lt;',
      '>': '&gt;',
      '"': '&quot;',
      "'": '&#x27;',
      '/': '&#x2F;'
    };

    return str.replace(/[&<>"'/]/g, char => map[char]);
  }
}

// 使用示例
const userSchema = {
  email: {
    required: true,
    type: 'string',
    pattern: /^[^\s@]+@[^\s@]+\.[^\s@]+$/,
    maxLength: 255
  },
  password: {
    required: true,
    type: 'string',
    minLength: 8,
    validate: (pwd) => {
      if (!/[A-Z]/.test(pwd)) return 'Password must contain uppercase';
      if (!/[0-9]/.test(pwd)) return 'Password must contain number';
      return null;
    }
  },
  age: {
    type: 'number',
    min: 0,
    max: 150
  }
};

export default {
  async fetch(request, env) {
    const data = await request.json();
    const validator = new Validator(userSchema);

    // 验证输入
    const validation = validator.validate(data);
    if (!validation.valid) {
      return new Response(JSON.stringify({
        errors: validation.errors
      }), { status: 400 });
    }

    // 清理输入
    const cleaned = validator.sanitize(data);

    // 处理请求
    return processRequest(cleaned, env);
  }
};
