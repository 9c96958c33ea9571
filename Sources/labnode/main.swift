import NodeRuntime

NodeRuntime.main()
