/// What an agent with `ipam.mode: eni` reports of the cloud's network interfaces.
public struct InterfaceStatus: Codable, Sendable, Hashable {
    public struct Interface: Codable, Sendable, Hashable {
        /// The interface's id, `eni-…`.
        public let id: String
        /// The cloud's device number. The node's first interface has 0.
        public let number: Int
        /// The interface's routing table.
        public let table: Int
        /// The number of the interface's addresses in use. The router's and the health endpoint's are among them.
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

    /// The type of the node's machine, such as `t3.medium`.
    public let instanceType: String
    public let interfaces: [Interface]
    /// The reason why there are no more addresses, if fewer are free than there should be.
    public let limit: String?
    /// The last refusal of the cloud.
    public let failure: String?

    public init(instanceType: String, interfaces: [Interface], limit: String?, failure: String?) {
        self.instanceType = instanceType
        self.interfaces = interfaces
        self.limit = limit
        self.failure = failure
    }
}
