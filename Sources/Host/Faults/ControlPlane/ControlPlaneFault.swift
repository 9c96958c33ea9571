import ControlPlane
import Lab
import Scenario

/// What faults of the control plane have in common.
enum ControlPlaneFault {
    /// Refuses a fault in a lab without a control plane.
    static func check(_ check: inout FaultCheck) {
        guard let profile = check.profile, !profile.controlPlane.enabled else { return }
        check.report(
            at: "fault", message: "lab \(profile.name) has no control plane",
            expected: "\"controlPlane: {enabled: true}\" in the lab or in \"overrides\"")
    }

    /// Claims a server, so that only one fault at a time is done to it.
    static func claims(_ server: ControlPlaneServer) -> [Claim] {
        [Claim(Claim.Part("\(server.rawValue) of the {node}", power: .independent), of: ControlPlaneLayout.host)]
    }

    static func servers(of cluster: Cluster, for call: FaultCall) throws -> LabControlPlane {
        guard let servers = cluster.controlPlane else { throw FaultError(call, "the lab has no control plane") }
        return servers
    }
}
