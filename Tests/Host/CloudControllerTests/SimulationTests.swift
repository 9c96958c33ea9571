import JSON
import Testing

@testable import CloudController

/// Which pods a node of a pool would help, and why not, in Karpenter's words.
@Suite struct SimulationTests {
    static let agentNotReady = #"[{"key": "node.cilium.io/agent-not-ready", "value": "true", "effect": "NoSchedule"}]"#

    @Test func pendingPodsShareOneNode() throws {
        let pods = try (1...3).map { try pod("web-\($0)", requests("500m")) }
        let done = simulate(pods, [try pool()])
        #expect(done.plans.count == 1)
        #expect(done.plans[0].pods.count == 3)
        #expect(done.failures.isEmpty)
        #expect(done.plans[0].requests["cpu"] == 1500)
        #expect(done.plans[0].requests["pods"] == 3000)
    }

    @Test func aSecondNodeIsPlannedWhenTheFirstIsFull() throws {
        let pods = try (1...3).map { try pod("web-\($0)", requests("2")) }
        let done = simulate(pods, [try pool()])
        #expect(done.plans.map(\.pods.count) == [2, 1])
    }

    /// The field report: the CNI's taint as one that stays makes every pod's scheduling fail.
    @Test func taintThatStaysRefusesAndStartupTaintDoesNot() throws {
        let web = try pod("web", requests("1"))
        let stays = simulate([web], [try pool(template: #"{"taints": \#(Self.agentNotReady)}"#)])
        #expect(
            stays.failures[web.name]
                == "incompatible with nodepool \"default\", daemonset overhead={\"pods\":\"0\"}, did not tolerate "
                + "node.cilium.io/agent-not-ready=true:NoSchedule")
        #expect(stays.plans.isEmpty)
        let passes = simulate([web], [try pool(template: #"{"startupTaints": \#(Self.agentNotReady)}"#)])
        #expect(passes.failures.isEmpty)
        #expect(passes.places[web.name] == .plan(0))
    }

    static let tolerations: [(String, Bool)] = [
        (#"[{"operator": "Exists"}]"#, true),
        (#"[{"key": "team", "operator": "Exists"}]"#, true),
        (#"[{"key": "team", "value": "a", "effect": "NoSchedule"}]"#, true),
        (#"[{"key": "team", "value": "b"}]"#, false),
        (#"[{"key": "team", "operator": "Exists", "effect": "NoExecute"}]"#, false),
        (#"[{"key": "other", "operator": "Exists"}]"#, false),
        ("[]", false),
    ]
    @Test(arguments: tolerations) func tolerationsAreHeldAgainstTaintsThatStay(_ given: String, _ fits: Bool) throws {
        let web = try pod("web", #"{"tolerations": \#(given)}"#)
        let taints = #"{"taints": [{"key": "team", "value": "a", "effect": "NoSchedule"}]}"#
        #expect(simulate([web], [try pool(template: taints)]).failures.isEmpty == fits)
    }

    @Test func preferredTaintsKeepNobodyAway() throws {
        let taints = #"{"taints": [{"key": "team", "effect": "PreferNoSchedule"}]}"#
        #expect(simulate([try pod("web")], [try pool(template: taints)]).failures.isEmpty)
    }

    static let selections: [(String, String, String?)] = [
        // The pod's selector, the pool's requirements, the objection.
        (#"{"kubernetes.io/arch": "amd64"}"#, "[]", nil),
        (
            #"{"kubernetes.io/arch": "arm64"}"#, "[]",
            "no instance type satisfied resources {\"pods\":\"1\"} and requirements karpenter.sh/nodepool In "
                + "[default], kubernetes.io/arch In [arm64] (no instance type met all requirements)"
        ),
        (
            #"{"kubernetes.io/arch": "arm64"}"#,
            #"[{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]"#,
            "incompatible requirements, key kubernetes.io/arch, kubernetes.io/arch In [arm64] not in "
                + "kubernetes.io/arch In [amd64]"
        ),
        (
            #"{"team": "a"}"#, "[]",
            "incompatible requirements, label \"team\" does not have known values"
        ),
        (#"{"team": "a"}"#, #"[{"key": "team", "operator": "In", "values": ["a", "b"]}]"#, nil),
        (#"{"team": "a"}"#, #"[{"key": "team", "operator": "Exists"}]"#, nil),
        (
            #"{"team": "a"}"#, #"[{"key": "team", "operator": "NotIn", "values": ["a"]}]"#,
            "incompatible requirements, key team, team In [a] not in team NotIn [a]"
        ),
        (#"{"karpenter.sh/nodepool": "default"}"#, "[]", nil),
        (
            #"{"karpenter.sh/nodepool": "other"}"#, "[]",
            "incompatible requirements, key karpenter.sh/nodepool, karpenter.sh/nodepool In [other] not in "
                + "karpenter.sh/nodepool In [default]"
        ),
        (#"{"failure-domain.beta.kubernetes.io/zone": "lab-1a"}"#, "[]", nil),
        (#"{"size": "7"}"#, #"[{"key": "size", "operator": "Gt", "values": ["5"]}]"#, nil),
        (
            #"{"size": "5"}"#, #"[{"key": "size", "operator": "Gt", "values": ["5"]}]"#,
            "incompatible requirements, key size, size In [5] not in size Exists >5"
        ),
    ]
    @Test(arguments: selections) func selectorsAreHeldAgainstRequirements(
        _ selector: String, _ requirements: String, _ objection: String?
    ) throws {
        let web = try pod("web", #"{"nodeSelector": \#(selector)}"#)
        let done = simulate([web], [try pool(template: #"{"requirements": \#(requirements)}"#)])
        let prefix = "incompatible with nodepool \"default\", daemonset overhead={\"pods\":\"0\"}, "
        #expect(done.failures[web.name] == objection.map { prefix + $0 })
    }

    @Test func anyTermOfTheNodeAffinityMayHold() throws {
        let affinity = """
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
              {"matchExpressions": [{"key": "eks.amazonaws.com/nodegroup", "operator": "Exists"}]},
              {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}]}}}}
            """
        #expect(simulate([try pod("web", affinity)], [try pool()]).failures.isEmpty)
        let only = affinity.replacing("kubernetes.io/os", with: "team")
        let web = try pod("web", only)
        let words = simulate([web], [try pool()]).failures[web.name]
        #expect(words?.hasSuffix("incompatible requirements, label \"team\" does not have known values") == true)
    }

    @Test func podsThatAreTooLargeAreRefusedWithWhatTheyAsk() throws {
        let web = try pod("web", requests("16", "1Gi"))
        #expect(
            simulate([web], [try pool()]).failures[web.name]
                == "incompatible with nodepool \"default\", daemonset overhead={\"pods\":\"0\"}, no instance type "
                + "satisfied resources {\"cpu\":\"16\",\"memory\":\"1Gi\",\"pods\":\"1\"} and requirements "
                + "karpenter.sh/nodepool In [default] (no instance type has enough resources)")
    }

    @Test func daemonSetsTakeTheirShare() throws {
        let agent = try ScheduledPod(
            ofDaemonSet: try object(
                """
                {"metadata": {"namespace": "kube-system", "name": "agent"}, "spec": {"template": {"spec":
                 {"tolerations": [{"operator": "Exists"}],
                  "containers": [{"name": "a", "resources": {"requests": {"cpu": "500m"}}}]}}}}
                """))
        let elsewhere = try ScheduledPod(
            ofDaemonSet: try object(
                """
                {"metadata": {"namespace": "kube-system", "name": "elsewhere"}, "spec": {"template": {"spec":
                 {"nodeSelector": {"eks.amazonaws.com/nodegroup": "x"},
                  "containers": [{"name": "a", "resources": {"requests": {"cpu": "500m"}}}]}}}}
                """))
        let web = try pod("web", requests("3600m"))
        let done = simulate([web], [try pool()], daemonSets: [agent, elsewhere])
        #expect(
            done.failures[web.name]?.contains("daemonset overhead={\"cpu\":\"500m\",\"pods\":\"1\"}") == true)
        #expect(simulate([web], [try pool()], daemonSets: [elsewhere]).failures.isEmpty)
    }

    @Test func limitsOfAPoolAreKept() throws {
        let pods = try (1...3).map { try pod("web-\($0)", requests("3")) }
        let limited = try pool(spec: #""limits": {"cpu": "8"}"#)
        let done = simulate(pods, [limited])
        #expect(done.plans.count == 2)
        #expect(
            Array(done.failures.values) == ["all available instance types exceed limits for nodepool: \"default\""])
        let used = ["default": ResourceAmounts(milli: ["cpu": 8000])]
        #expect(simulate([pods[0]], [limited], used: used).plans.isEmpty)
    }

    @Test func hostPortsAreNotSharedOnANode() throws {
        let spec = #"{"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}]}]}"#
        let done = simulate([try pod("a", spec), try pod("b", spec)], [try pool()])
        #expect(done.plans.map(\.pods.count) == [1, 1])
        let limited = try pool(spec: #""limits": {"cpu": "4"}"#)
        #expect(simulate([try pod("a", spec), try pod("b", spec)], [limited]).failures.count == 1)
    }

    @Test func podsThatRepelEachOtherGetNodesOfTheirOwn() throws {
        let spec = """
            {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
              {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}]}}}
            """
        let pods = try ["a", "b"].map { try pod($0, spec, labels: #"{"app": "web"}"#) }
        #expect(simulate(pods, [try pool()]).plans.count == 2)
        let other = try pod("c", labels: #"{"app": "db"}"#)
        #expect(simulate([pods[0], other], [try pool()]).plans.count == 1)
    }

    @Test func theHeaviestPoolIsTakenAndEveryRefusalIsTold() throws {
        let light = try pool("light")
        let heavy = try pool("heavy", spec: #""weight": 10"#)
        let web = try pod("web")
        #expect(simulate([web], [light, heavy]).plans.map(\.pool.name.name) == ["heavy"])
        let strict = try pool("strict", template: #"{"taints": [{"key": "a", "effect": "NoSchedule"}]}"#)
        let full = try pool("full", spec: #""limits": {"cpu": "1"}"#)
        #expect(
            simulate([web], [strict, full]).failures[web.name]
                == "all available instance types exceed limits for nodepool: \"full\"; incompatible with nodepool "
                + "\"strict\", daemonset overhead={\"pods\":\"0\"}, did not tolerate a:NoSchedule")
        #expect(simulate([web], []).failures[web.name] == "no nodepools found")
    }

    @Test func aTypeOfWhichNoneIsLeftIsNoOffering() throws {
        let web = try pod("web")
        let done = simulate([web], [try pool()], unavailable: ["t3.medium"])
        #expect(done.failures[web.name]?.hasSuffix("had enough resources had a required offering)") == true)
    }

    @Test func whatIsNotSimulatedIsSaid() throws {
        let spec = """
            {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
              {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}]}}}
            """
        let web = try pod("web", spec)
        #expect(
            simulate([web], [try pool()]).failures[web.name]
                == "pod affinity for kubernetes.io/hostname is not simulated")
    }

    // MARK: Nodes that are there or on their way

    @Test func roomThatIsThereIsUsedFirst() throws {
        let web = try pod("web", requests("1"))
        let free = NodeRoom(node("node1"), claim: nil, pods: [])
        #expect(simulate([web], [try pool()], rooms: [free]).places[web.name] == .room(node: "node1", claim: ""))
        let full = NodeRoom(node("node1"), claim: nil, pods: [try pod("big", requests("3500m"), node: "node1")])
        #expect(simulate([web], [try pool()], rooms: [full]).places[web.name] == .plan(0))
        let over = try pod("job", requests("3500m"), node: "node1")
        var done = over
        done.phase = "Succeeded"
        let again = NodeRoom(node("node1"), claim: nil, pods: [done])
        #expect(simulate([web], [try pool()], rooms: [again]).plans.isEmpty)
    }

    @Test func aNodeOfNobodyIsTakenAsItIs() throws {
        let notReady = Taint(key: "node.cilium.io/agent-not-ready", value: "true", effect: "NoSchedule")
        let room = NodeRoom(node("node1", taints: [notReady]), claim: nil, pods: [])
        #expect(simulate([try pod("web")], [try pool()], rooms: [room]).plans.count == 1)
    }

    @Test func aNodeOnItsWayIsTakenAsItWillBe() throws {
        let agent = Taint(key: "node.cilium.io/agent-not-ready", value: "true", effect: "NoSchedule")
        var claim = NodeClaim(name: ObjectName(name: "default-a", uid: "c"))
        claim.startupTaints = [agent]
        let web = try pod("web")
        let taints = [agent, Taint(key: "node.kubernetes.io/not-ready", effect: "NoSchedule"), .unregistered]
        let room = NodeRoom(node("node3", taints: taints), claim: claim, pods: [])
        #expect(
            simulate([web], [try pool()], rooms: [room]).places[web.name] == .room(node: "node3", claim: "default-a"))
        claim.conditions = [ClaimCondition(.initialized, "True", "Initialized")]
        let tainted = NodeRoom(node("node3", taints: [agent]), claim: claim, pods: [])
        #expect(simulate([web], [try pool()], rooms: [tainted]).places[web.name] == .plan(0))
        let machine = NodeRoom(onItsWay: claim, type: small, overhead: ResourceAmounts())
        #expect(
            simulate([web], [try pool()], rooms: [machine]).places[web.name] == .room(node: "", claim: "default-a"))
    }
}
