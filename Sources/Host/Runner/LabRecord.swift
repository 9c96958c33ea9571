import Foundation
import Lab
import LinuxKernel

/// What a lab tells of itself to other commands of the same user, in a file of its own file system. It is gone with the
/// lab.
public struct LabRecord: Codable, Sendable, Hashable {
    public struct ControlPlane: Codable, Sendable, Hashable {
        /// The API server's address.
        public var address: String
        /// The servers' version, such as `v1.20.2`.
        public var version: String
        /// The path of the administrator's kubeconfig, as processes in the lab see it.
        public var kubeconfig: String
        /// The path of the client that belongs to the servers; nil if their folder has none.
        public var kubectl: String?
        /// The number of the lab host's descriptor that is the servers' network namespace.
        public var network: Int32
    }

    /// The file's name in the lab's own file system.
    public static let file = "lab.json"
    /// The most bytes of the file.
    public static let limit = 1 << 20

    /// The scenario that runs in the lab.
    public var scenario: String
    public var profile: String
    public var nodes: [String]
    /// The report folder of the run.
    public var report: String
    public var startedAt: Date
    public var controlPlane: ControlPlane?

    init(_ request: RunRequest, _ plan: LabPlan, _ controlPlane: LabControlPlane?) {
        scenario = request.scenario.metadata.name
        profile = plan.profile.name
        nodes = plan.nodes.map(\.name)
        report = request.reportDirectory
        startedAt = Date()
        self.controlPlane = controlPlane.map { servers in
            ControlPlane(
                address: servers.address, version: servers.programs.version.description,
                kubeconfig: servers.kubeconfig,
                kubectl: servers.programs.kubectl, network: servers.namespaceDescriptor)
        }
    }

    /// Writes the file to the lab's own file system.
    func write(to directory: String) throws {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        let bytes = Array(try encoder.encode(self))
        try FileDescriptor.open("\(directory)/\(Self.file)", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600).writeAll(bytes)
    }

    /// Reads what a lab tells of itself.
    ///
    /// - Throws: `SystemError` if it has ended or has not begun; `DecodingError` for a lab of another version.
    public init(of host: LabJoin.Host) throws {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        self = try decoder.decode(LabRecord.self, from: Data(try host.file(Self.file, upTo: Self.limit)))
    }
}
