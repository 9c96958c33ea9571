/// What an agent with `ipam.mode: eni` says of the cloud's network interfaces.
public struct InterfaceStatus: Codable, Sendable, Hashable {
    public struct Interface: Codable, Sendable, Hashable {
        /// `eni-…`
        public let id: String
        /// The cloud's device number; 0 is the node's first one.
        public let number: Int
        /// Its routing table.
        public let table: Int
        /// Of the addresses for pods, the router's and the health endpoint's among them.
        public let addressesInUse: Int
        public let addressesTotal: Int

        public init(id: String, number: Int, table: Int, addressesInUse: Int, addressesTotal: Int) {
            self.id = id
            self.number = number
            self.table = table
            self.addressesInUse = addressesInUse
            self.addressesTotal = addressesTotal
        }
    }

    /// `t3.medium`
    public let instanceType: String
    public let interfaces: [Interface]
    /// Why there are no more, when fewer are free than there should be.
    public let limit: String?
    /// What the cloud refused last.
    public let failure: String?

    public init(instanceType: String, interfaces: [Interface], limit: String?, failure: String?) {
        self.instanceType = instanceType
        self.interfaces = interfaces
        self.limit = limit
        self.failure = failure
    }
}
