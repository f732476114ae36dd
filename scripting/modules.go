package scripting

// globalFunctions are those that stand outside of any module.
func globalFunctions() []function { return []function{spawnFunction(), originateFunction()} }

// modules are the tables that scripts find without require, in the order of the reference.
func modules() []module {
	return []module{
		logModule(),
		httpModule(),
		jsonModule(),
		dbModule(),
		sharedValuesModule(),
		registrarModule(),
		callsModule(),
		conferenceModule(),
		parkingModule(),
		queueModule(),
		cdrModule(),
		fileModule(),
		csvModule(),
		mailModule(),
		configModule(),
		reModule(),
		timeModule(),
		timerModule(),
	}
}
