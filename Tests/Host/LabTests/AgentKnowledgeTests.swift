import Testing

@testable import Lab

@Suite struct AgentKnowledgeTests {
    private let wanted = AgentKnowledge(
        nodes: ["node1", "node2"], pods: ["192.168.1.9", "192.168.2.9"], objects: ["services": 2, "namespaces": 4])

    @Test func `who knows everything lacks nothing, whatever else it knows`() {
        #expect(wanted.missing(of: wanted) == nil)
        var more = wanted
        more.nodes.insert("node3")
        more.pods.insert("192.168.3.9")
        more.objects["pods"] = 7
        #expect(more.missing(of: wanted) == nil)
    }

    @Test func `what is lacking is named`() {
        var known = wanted
        known.nodes = ["node2"]
        known.pods = ["192.168.1.9"]
        known.objects = ["services": 1, "namespaces": 4]
        #expect(known.missing(of: wanted) == "nodes node1; pods at 192.168.2.9; 1 of 2 services")
    }

    @Test func `slices that are there with fewer endpoints are a lack, unless an agent does not count them`() {
        var all = wanted
        all.readyEndpoints = 20
        #expect(wanted.missing(of: all) == nil)
        var known = all
        known.readyEndpoints = 17
        #expect(known.missing(of: all) == "17 of 20 ready endpoints")
        #expect(all.missing(of: all) == nil && all.missing(of: wanted) == nil)
    }

    /// What was deleted, and is known still, is a change that has not come through.
    @Test func `too many objects are a lack, too`() {
        var known = wanted
        known.objects["services"] = 3
        #expect(known.missing(of: wanted) == "3 of 2 services")
        var none = wanted
        none.objects = [:]
        var nothing = wanted
        nothing.objects = ["services": 0, "namespaces": 0]
        #expect(none.missing(of: nothing) == nil)
    }
}
