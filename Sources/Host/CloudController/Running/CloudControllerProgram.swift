import Foundation
import JSON
import KubeClient
public import ServerProgram

/// What the cloud controller of a lab is to do.
public struct CloudControllerSettings: Codable, Sendable, Hashable {
    /// Whether it starts and ends machines, by node pools.
    public var autoscaler: Bool
    /// The ranges of the cluster's pods, if it makes routes of the VPC for nodes' shares of them; else nil.
    public var routedPods: [String]?

    /// Whether it serves Gateways and HTTPRoutes.
    public var gateways: Bool?

    public init(autoscaler: Bool, routedPods: [String]? = nil, gateways: Bool? = nil) {
        self.autoscaler = autoscaler
        self.gateways = gateways
        self.routedPods = routedPods
    }

    /// As a program's settings.
    public var text: String {
        var members: [String: JSONValue] = ["autoscaler": .bool(autoscaler)]
        if let routedPods { members["routedPods"] = .array(routedPods.map { .string($0) }) }
        if let gateways { members["gateways"] = .bool(gateways) }
        return JSONValue.object(members).canonicalText
    }
}

/// The program `labrun-cloud-controller`.
public enum CloudControllerProgram {
    public static let name = "labrun-cloud-controller"

    public static let program = ServerProgram(name: name) { context in
        let settings = try JSONDecoder().decode(CloudControllerSettings.self, from: Data(context.settings.utf8))
        try await run(
            context.client, cloud: LabCloudOwner(), settings: settings,
            identity: "\(name)-\(UInt32.random(in: 0 ... .max))", health: context.health)
    }

    /// Runs until the task is cancelled. Of several, one does something: the one that leads.
    static func run(
        _ client: KubeClient, cloud: any CloudOwner, settings: CloudControllerSettings, identity: String,
        health: HealthPage
    ) async throws {
        let loop = ControllerLoop(client, cloud: cloud, settings: settings, health: health)
        let election = LeaderElection(ServedLease(client, name: name), identity: identity)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                await election.run { leads in
                    log(leads ? "\(identity) leads" : "\(identity) does not lead")
                    health.tell("leader", await election.holder)
                    await loop.lead(leads)
                }
                await election.release()
            }
            tasks.addTask { await loop.follow() }
            tasks.addTask { await loop.run() }
            await tasks.waitForAll()
        }
    }
}
