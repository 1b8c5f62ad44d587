// The guide's MultiTenantApp and BillingManager (its lines 1425-1528), as written. `index.js` has what they leave out.

// 多租户 SaaS 应用架构
export class MultiTenantApp {
  constructor(env) {
    this.env = env;
  }

  async handleRequest(request) {
    // 1. 识别租户
    const tenant = await this.identifyTenant(request);

    // 2. 租户隔离
    const tenantDb = this.getTenantDb(tenant.id);
    const tenantStorage = this.getTenantStorage(tenant.id);

    // 3. 应用租户特定配置
    const config = await this.getTenantConfig(tenant.id);

    // 4. 处理业务逻辑
    return this.processRequest(request, {
      tenant,
      db: tenantDb,
      storage: tenantStorage,
      config
    });
  }

  async identifyTenant(request) {
    // 从域名识别
    const hostname = new URL(request.url).hostname;
    const subdomain = hostname.split('.')[0];

    // 从数据库获取租户信息
    const tenant = await this.env.DB.prepare(
      'SELECT * FROM tenants WHERE subdomain = ? OR custom_domain = ?'
    ).bind(subdomain, hostname).first();

    if (!tenant) {
      throw new Error('Tenant not found');
    }

    return tenant;
  }

  getTenantDb(tenantId) {
    // 租户数据隔离策略
    return {
      prepare: (sql) => {
        // 自动添加租户过滤
        const modifiedSql = sql.replace(
          /FROM (\w+)/g,
          `FROM $1 WHERE tenant_id = '${tenantId}'`
        );
        return this.env.DB.prepare(modifiedSql);
      }
    };
  }

  getTenantStorage(tenantId) {
    // 租户存储隔离
    return {
      put: (key, value) =>
        this.env.R2.put(`${tenantId}/${key}`, value),
      get: (key) =>
        this.env.R2.get(`${tenantId}/${key}`)
    };
  }
}

// 计费和限制
export class BillingManager {
  async checkUsage(tenantId, resource) {
    const usage = await this.getUsage(tenantId, resource);
    const limit = await this.getLimit(tenantId, resource);

    if (usage >= limit) {
      throw new Error(`Usage limit exceeded for ${resource}`);
    }

    // 记录使用量
    await this.recordUsage(tenantId, resource, 1);
  }

  async getUsage(tenantId, resource) {
    const key = `usage:${tenantId}:${resource}:${this.getCurrentPeriod()}`;
    return parseInt(await this.env.KV.get(key) || '0');
  }

  async recordUsage(tenantId, resource, amount) {
    const key = `usage:${tenantId}:${resource}:${this.getCurrentPeriod()}`;
    const current = await this.getUsage(tenantId, resource);

    await this.env.KV.put(key, String(current + amount), {
      expirationTtl: 86400 * 31 // 31天后过期
    });

    // 异步计费
    await this.env.BILLING_QUEUE.send({
      tenantId,
      resource,
      amount,
      timestamp: Date.now()
    });
  }
}
