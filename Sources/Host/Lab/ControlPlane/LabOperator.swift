import DatapathOptions
import Foundation
import Operator
import Scenario

extension LabControlPlane {
    /// What the lab's operator is to do, as JSON text: it gives the nodes the ranges of the plan, as long as these are
    /// free.
    static func operatorSettings(_ plan: LabPlan) throws -> String {
        let pool: ClusterPool
        do throws(ClusterPool.Mistake) {
            pool = try ClusterPool(plan.profile)
        } catch {
            throw LabError(.plan, "\(error)")
        }
        // In other modes, addresses come from the cloud, or ranges from the Node objects.
        let mode = (try? DatapathOptions(values: plan.profile.datapathValues))?.ipam.mode
        let settings = OperatorSettings(
            pool: mode == .clusterPool ? pool.ranges.map(\.description) : [], maskSize: pool.maskSize,
            planned: Dictionary(plan.nodes.map { ($0.name, $0.podCIDR) }) { first, _ in first })
        return String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
    }
}
