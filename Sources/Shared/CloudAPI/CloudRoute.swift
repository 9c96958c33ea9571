/// A route of the VPC's route table that leads to a machine.
public struct CloudRoute: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable {
        case active
        /// The machine is not there, or does not run: packets are lost.
        case blackhole
    }
    /// `192.168.1.0/24`
    public var destination: String
    /// The machine to whose first interface it leads; empty if the cloud has no such machine.
    public var instanceID: String
    /// Nil in requests.
    public var state: State?

    public init(destination: String, instanceID: String, state: State? = nil) {
        self.destination = destination
        self.instanceID = instanceID
        self.state = state
    }

    /// How many routes a table takes: EC2's default for a long time.
    public static let mostRoutes = 50
}
