// What the sample calls: each service is a worker's entrypoint (`backend.js`), reached over RPC.

export class UserService {
  constructor(env) {
    this.users = env.USERS;
  }

  validate(input) {
    return this.users.validate(input);
  }
}

export class InventoryService {
  constructor(env) {
    this.inventory = env.INVENTORY;
  }

  checkAvailability(input) {
    return this.inventory.checkAvailability(input);
  }
}

export class ShippingService {
  constructor(env) {
    this.shipping = env.SHIPPING;
  }

  calculateCost(input) {
    return this.shipping.calculateCost(input);
  }
}

export class OrderService {
  constructor(env) {
    this.orders = env.ORDERS;
  }

  create(input) {
    return this.orders.create(input);
  }
}
